//! The part of MiniJinja that tenants may use: what keeps every value within a bound that its template and the action
//! give.
//!
//! A template says `{% set a = a ~ a %}` a few dozen times, and its value is larger than any memory, in fewer steps than
//! a loop over ten items takes. So nothing is bound to a name but the items of a loop, and those are never made of
//! copies.

use crate::limits;
use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// The statements that tenants may use.
const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];
/// Words of the language that no value ends with: a parenthesis after them groups, and calls nothing.
const OPERATORS: [&str; 9] = ["in", "not", "and", "or", "is", "if", "elif", "else", "for"];

/// What a text is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape<'t> {
    /// What is between the braces, where the text is nothing but one `{{ expression }}`.
    pub(super) expression: Option<&'t str>,
}

/// The tag that is being read.
struct Tag {
    kind: Kind,
    /// Whether each open bracket is a call's.
    open: Vec<bool>,
    /// Whether a value may have ended with the token before.
    after_value: bool,
    joins: usize,
}

#[derive(PartialEq, Eq)]
enum Kind {
    /// `{{ … }}`
    Output,
    /// A statement whose name comes next.
    Unnamed,
    /// `{% for … %}`, before `in`.
    Targets,
    /// `{% for … in … %}`
    Items,
    /// Any other one.
    Other,
}

impl Tag {
    fn new(kind: Kind) -> Self {
        Self { kind, open: Vec::new(), after_value: false, joins: 0 }
    }

    fn read(&mut self, token: &Token<'_>, loops: &mut usize) -> Result<(), String> {
        let called = self.after_value;
        self.after_value = match token {
            Token::Ident(word) => {
                self.word(word, loops)?;
                !OPERATORS.contains(word)
            }
            Token::Str(_) | Token::String(_) | Token::ParenClose | Token::BracketClose => true,
            _ => false,
        };
        match token {
            Token::Mul => Err("`*` is not for templates of tenants".to_owned()),
            Token::Tilde | Token::Plus if self.kind == Kind::Items => {
                Err("`~` and `+` are not for the items of a loop in templates of tenants".to_owned())
            }
            Token::Tilde | Token::Plus => {
                self.joins += 1;
                let most = limits::MAX_TENANT_TEMPLATE_JOINS;
                if self.joins > most { Err(format!("a tag has more than {most} of `~` and `+`")) } else { Ok(()) }
            }
            Token::BraceOpen => Err("`{` within a tag is not for templates of tenants".to_owned()),
            Token::ParenOpen => {
                self.open.push(called);
                Ok(())
            }
            Token::BracketOpen => {
                self.open.push(false);
                Ok(())
            }
            Token::ParenClose | Token::BracketClose => {
                self.open.pop();
                Ok(())
            }
            Token::Comma if self.kind == Kind::Items && self.open.last() != Some(&true) => {
                Err("a list of several values can't be the items of a loop in templates of tenants".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn word(&mut self, word: &str, loops: &mut usize) -> Result<(), String> {
        match self.kind {
            Kind::Unnamed => {
                if !STATEMENTS.contains(&word) {
                    let known = STATEMENTS.join("`, `");
                    return Err(format!(
                        "the statement `{word}` is not for templates of tenants, which have `{known}`"
                    ));
                }
                self.kind = if word == "for" { Kind::Targets } else { Kind::Other };
                match word {
                    "for" => *loops += 1,
                    "endfor" => *loops = loops.saturating_sub(1),
                    _ => {}
                }
                let most = limits::MAX_TENANT_TEMPLATE_LOOPS;
                if *loops > most { Err(format!("more than {most} loops within each other")) } else { Ok(()) }
            }
            Kind::Targets if word == "in" => {
                self.kind = Kind::Items;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Checks that a text uses nothing but what tenants may use. Whether it is well-formed is for the compiler to say.
pub(super) fn check(text: &str) -> Result<Shape<'_>, String> {
    let (mut tag, mut loops, mut tags, mut others) = (None::<Tag>, 0, 0_usize, false);
    for token in tokenize(text, false, SyntaxConfig::default()) {
        let (token, span) = token.map_err(|error| format!("bad template: {}", super::say(&error)))?;
        let problem = match token {
            Token::VariableStart => {
                tags += 1;
                tag = Some(Tag::new(Kind::Output));
                Ok(())
            }
            Token::BlockStart => {
                others = true;
                tag = Some(Tag::new(Kind::Unnamed));
                Ok(())
            }
            Token::VariableEnd | Token::BlockEnd => {
                tag = None;
                Ok(())
            }
            Token::TemplateData(data) => {
                others |= !data.trim().is_empty();
                Ok(())
            }
            other => tag.as_mut().map_or(Ok(()), |tag| tag.read(&other, &mut loops)),
        };
        let line = span.start_line;
        problem.map_err(|problem| if line > 1 { format!("{problem} (line {line})") } else { problem })?;
    }
    let alone = tags == 1 && !others;
    let inner = text.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}")).filter(|_| alone);
    Ok(Shape { expression: inner.map(without_control) })
}

/// What is between the braces, without the signs that control white space.
fn without_control(inner: &str) -> &str {
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    inner.strip_suffix(['-', '+']).unwrap_or(inner)
}
