//! From the parser's tree to one that is quick and safe to evaluate: names are resolved, macros
//! recognized, regexes compiled, and everything unknown is refused.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr as Parsed, IdedExpr, LiteralValue, operators};

use super::builtin::{Builtin, Matcher};
use crate::diagnostic::nearest;
use crate::host::Function;
use crate::limits;
use crate::path::{FieldPath, PathError};
use crate::time::TimeField;
use crate::value::Num;

/// An expression ready to be evaluated.
pub(super) struct Lowered {
    pub(super) root: Expr,
    pub(super) functions: Vec<Function>,
    pub(super) doubts: Vec<(String, String)>,
}

pub(super) enum Expr {
    Null,
    Bool(bool),
    Number(Num),
    Text(Box<str>),
    Action,
    Time(TimeField),
    /// A variable of a macro, counted from the outermost.
    Variable(usize),
    Select(Box<Expr>, Box<str>),
    Has(Box<Expr>, Box<str>),
    Index(Box<Expr>, Box<Expr>),
    List(Box<[Expr]>),
    Map(Box<[(Expr, Expr)]>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Choose(Box<(Expr, Expr, Expr)>),
    Binary(Binary, Box<(Expr, Expr)>),
    Builtin(Builtin, Box<[Expr]>),
    Matches(Box<Expr>, Matcher),
    State(Function, Box<[Expr]>),
    Loop(Box<Expr>, Loop),
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

/// A macro over the members of a list or the keys of a map.
pub(super) enum Loop {
    All(Box<Expr>),
    Exists(Box<Expr>),
    ExistsOne(Box<Expr>),
    /// `map` and `filter`: what to keep, and what to make of it.
    Map(Option<Box<Expr>>, Box<Expr>),
}

/// The variable in which the parser's macros gather their result.
const GATHERED: &str = "@result";

type Result<T> = std::result::Result<T, PathError>;

pub(super) fn lower(parsed: &IdedExpr) -> Result<Lowered> {
    let mut lowering = Lowering { variables: Vec::new(), depth: 0, functions: Vec::new(), doubts: Vec::new() };
    let root = lowering.expr(parsed)?;
    let Lowering { functions, doubts, .. } = lowering;
    Ok(Lowered { root, functions, doubts })
}

struct Lowering {
    /// The variables of the macros around the expression.
    variables: Vec<String>,
    depth: usize,
    functions: Vec<Function>,
    doubts: Vec<(String, String)>,
}

impl Lowering {
    fn expr(&mut self, parsed: &IdedExpr) -> Result<Expr> {
        if self.depth >= limits::MAX_CEL_DEPTH {
            let max = limits::MAX_CEL_DEPTH;
            return Err(PathError::new(format!("the expression is nested deeper than {max} levels")));
        }
        self.depth += 1;
        let lowered = self.node(&parsed.expr);
        self.depth -= 1;
        lowered
    }

    fn boxed(&mut self, parsed: &IdedExpr) -> Result<Box<Expr>> {
        self.expr(parsed).map(Box::new)
    }

    fn list(&mut self, parsed: &[IdedExpr]) -> Result<Box<[Expr]>> {
        parsed.iter().map(|item| self.expr(item)).collect()
    }

    fn node(&mut self, parsed: &Parsed) -> Result<Expr> {
        match parsed {
            Parsed::Literal(literal) => self::literal(literal),
            Parsed::Ident(name) => self.name(name),
            Parsed::Select(select) => {
                if let Parsed::Ident(root) = &select.operand.expr
                    && !self.variables.contains(root)
                {
                    match root.as_str() {
                        "time" => return time(&select.field, select.test),
                        "action" => self.doubt(&select.field),
                        _ => {}
                    }
                }
                let operand = self.boxed(&select.operand)?;
                let field = select.field.as_str().into();
                Ok(if select.test { Expr::Has(operand, field) } else { Expr::Select(operand, field) })
            }
            Parsed::Call(call) => self.call(call),
            Parsed::List(list) if list.optional_indices.is_empty() => Ok(Expr::List(self.list(&list.elements)?)),
            Parsed::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries.len());
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else {
                        return Err(PathError::new("bad expression: a map has keys and values"));
                    };
                    entries.push((self.expr(&entry.key)?, self.expr(&entry.value)?));
                }
                Ok(Expr::Map(entries.into()))
            }
            Parsed::Comprehension(comprehension) => self.comprehension(comprehension),
            Parsed::List(_) | Parsed::Struct(_) | Parsed::Unspecified => {
                Err(PathError::new("messages and optional values are not supported in expressions"))
            }
        }
    }

    fn name(&self, name: &str) -> Result<Expr> {
        if let Some(position) = self.variables.iter().rposition(|variable| variable == name) {
            return Ok(Expr::Variable(position));
        }
        match name {
            "action" => Ok(Expr::Action),
            "now" => Ok(Expr::Time(TimeField::Timestamp)),
            "time" => Err(PathError::new("`time` alone has no value: name a field, such as `time.hour`")),
            "env" | "environment" => Err(PathError::new(format!(
                "`{name}`: rules cannot read the environment, because a decision must follow from the action, the \
                 state and the time alone; use `action.metadata`"
            ))),
            _ => Err(PathError {
                message: format!("unknown name `{name}`; known are `action`, `time` and `now`"),
                suggestion: nearest(name, ["action", "time", "now"]),
            }),
        }
    }

    /// Notes a field of the action that looks like a misspelt one.
    fn doubt(&mut self, field: &str) {
        let field = format!("action.{field}");
        if let Ok(parsed) = FieldPath::parse_action(&field)
            && let Some(near) = parsed.doubt
        {
            self.doubts.push((field, near));
        }
    }

    fn call(&mut self, call: &CallExpr) -> Result<Expr> {
        let args: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        if call.target.is_none()
            && let Some(lowered) = self.operator(&call.func_name, &args)?
        {
            return Ok(lowered);
        }
        let name = call.func_name.as_str();
        if let Some(function) = Function::NAMED.iter().copied().find(|function| function.name() == name) {
            let wanted = function.parameters();
            if call.target.is_some() || args.len() != wanted.len() {
                return Err(PathError::new(format!("call `{name}({})`", wanted.join(", "))));
            }
            self.functions.push(function);
            return Ok(Expr::State(function, self.list(&call.args)?));
        }
        if name == "now" && args.is_empty() {
            return Ok(Expr::Time(TimeField::Timestamp));
        }
        if name == "matches" {
            let [text, pattern] = args[..] else {
                return Err(PathError::new("`matches` takes a string and a regex"));
            };
            let Parsed::Literal(LiteralValue::String(pattern)) = &pattern.expr else {
                return Err(PathError::new("the regex of `matches` must be written out as a string"));
            };
            let matcher = Matcher::new(pattern.inner())?;
            return Ok(Expr::Matches(self.boxed(text)?, matcher));
        }
        let builtin = Builtin::find(name, args.len())?;
        let args: Result<Vec<Expr>> = args.into_iter().map(|arg| self.expr(arg)).collect();
        Ok(Expr::Builtin(builtin, args?.into()))
    }

    fn operator(&mut self, name: &str, args: &[&IdedExpr]) -> Result<Option<Expr>> {
        let binary = match (name, args) {
            (operators::LOGICAL_NOT, [operand]) => return Ok(Some(Expr::Not(self.boxed(operand)?))),
            (operators::NEGATE, [operand]) => return Ok(Some(Expr::Negate(self.boxed(operand)?))),
            (operators::LOGICAL_AND, [a, b]) => return Ok(Some(Expr::And(self.boxed(a)?, self.boxed(b)?))),
            (operators::LOGICAL_OR, [a, b]) => return Ok(Some(Expr::Or(self.boxed(a)?, self.boxed(b)?))),
            (operators::INDEX, [a, b]) => return Ok(Some(Expr::Index(self.boxed(a)?, self.boxed(b)?))),
            (operators::CONDITIONAL, [a, b, c]) => {
                let parts = (self.expr(a)?, self.expr(b)?, self.expr(c)?);
                return Ok(Some(Expr::Choose(Box::new(parts))));
            }
            (operators::ADD, _) => Binary::Add,
            (operators::SUBSTRACT, _) => Binary::Subtract,
            (operators::MULTIPLY, _) => Binary::Multiply,
            (operators::DIVIDE, _) => Binary::Divide,
            (operators::MODULO, _) => Binary::Remainder,
            (operators::EQUALS, _) => Binary::Equal,
            (operators::NOT_EQUALS, _) => Binary::NotEqual,
            (operators::LESS, _) => Binary::Less,
            (operators::LESS_EQUALS, _) => Binary::LessOrEqual,
            (operators::GREATER, _) => Binary::Greater,
            (operators::GREATER_EQUALS, _) => Binary::GreaterOrEqual,
            (operators::IN, _) => Binary::In,
            _ => return Ok(None),
        };
        let [a, b] = args else { return Ok(None) };
        Ok(Some(Expr::Binary(binary, Box::new((self.expr(a)?, self.expr(b)?)))))
    }

    /// A macro, told by the step into which the parser has expanded it.
    fn comprehension(&mut self, parsed: &ComprehensionExpr) -> Result<Expr> {
        let range = self.boxed(&parsed.iter_range)?;
        self.variables.push(parsed.iter_var.clone());
        let lowered = self.step(&parsed.loop_step.expr);
        self.variables.pop();
        Ok(Expr::Loop(range, lowered?))
    }

    fn step(&mut self, step: &Parsed) -> Result<Loop> {
        let unknown = || PathError::new("unknown macro");
        let Parsed::Call(call) = step else { return Err(unknown()) };
        match (call.func_name.as_str(), &call.args[..]) {
            (operators::LOGICAL_OR, [gathered, test]) if is_gathered(gathered) => Ok(Loop::Exists(self.boxed(test)?)),
            (operators::LOGICAL_AND, [gathered, test]) if is_gathered(gathered) => Ok(Loop::All(self.boxed(test)?)),
            (operators::ADD, [_, _]) => {
                let made = added(call).ok_or_else(unknown)?;
                Ok(Loop::Map(None, self.boxed(made)?))
            }
            (operators::CONDITIONAL, [test, IdedExpr { expr: Parsed::Call(inner), .. }, _]) => match added(inner) {
                Some(made) => Ok(Loop::Map(Some(self.boxed(test)?), self.boxed(made)?)),
                None => Ok(Loop::ExistsOne(self.boxed(test)?)),
            },
            _ => Err(unknown()),
        }
    }
}

fn is_gathered(expr: &IdedExpr) -> bool {
    matches!(&expr.expr, Parsed::Ident(name) if name == GATHERED)
}

/// What `@result + [x]` adds.
fn added(call: &CallExpr) -> Option<&IdedExpr> {
    match &call.args[..] {
        [_, IdedExpr { expr: Parsed::List(list), .. }] if call.func_name == operators::ADD => list.elements.first(),
        _ => None,
    }
}

fn literal(literal: &LiteralValue) -> Result<Expr> {
    Ok(match literal {
        LiteralValue::Null => Expr::Null,
        LiteralValue::Boolean(value) => Expr::Bool(*value.inner()),
        LiteralValue::Int(value) => Expr::Number(Num::Int(*value.inner())),
        LiteralValue::UInt(value) => Expr::Number(Num::Uint(*value.inner())),
        LiteralValue::Double(value) => Expr::Number(Num::Float(*value.inner())),
        LiteralValue::String(text) => Expr::Text(text.inner().into()),
        LiteralValue::Bytes(_) => return Err(PathError::new("bytes are not supported in expressions")),
    })
}

/// `time.<field>`; `has(time.<field>)` is always true.
fn time(field: &str, test: bool) -> Result<Expr> {
    let parsed = TimeField::parse(&format!("time.{field}"));
    let field = parsed.unwrap_or_else(|| Err(PathError::new("unknown time field")))?;
    Ok(if test { Expr::Bool(true) } else { Expr::Time(field) })
}
