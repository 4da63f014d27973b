//! The field names of a type, asked of its own `Deserialize`: what a table of known keys would only repeat.

use serde::de::{Deserialize, Deserializer, Visitor, value::Error};
use serde::forward_to_deserialize_any;

/// The names under which `T`, a struct, is deserialised.
pub(super) fn of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    asked_by(|names| T::deserialize(names).err())
}

/// The names that a deserialisation asks for.
pub(super) fn asked_by(deserialize: impl FnOnce(Names<'_>) -> Option<Error>) -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // The deserialiser below always fails; it is asked only for the names.
    deserialize(Names(&mut names));
    names
}

/// A deserialiser that only takes note of the names.
pub(super) struct Names<'n>(&'n mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("asked for names only"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    #[derive(serde::Deserialize)]
    struct Two {
        one: u8,
        #[serde(rename = "type")]
        kind: u8,
    }

    #[test]
    fn names_are_those_of_serde() {
        assert_eq!(super::of::<Two>(), ["one", "type"]);
        let Two { one, kind } = serde_json::from_str(r#"{"one":1,"type":2}"#).unwrap();
        assert_eq!((one, kind), (1, 2), "what the names stand for");
        assert!(super::of::<u8>().is_empty());
    }
}
