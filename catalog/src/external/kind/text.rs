//! Reads a type as DuckDB writes it: `STRUCT("a b" INTEGER, c DECIMAL(9,2)[])`.

use super::Kind;

impl Kind {
    /// The type that DuckDB calls so. What it does not know is a scalar of that name.
    pub(in crate::external) fn parse(text: &str) -> Self {
        let mut reader = TypeReader { rest: text };
        match reader.kind() {
            Some(kind) if reader.rest.is_empty() => kind,
            _ => Self::scalar(text),
        }
    }
}

struct TypeReader<'t> {
    rest: &'t str,
}

impl TypeReader<'_> {
    fn kind(&mut self) -> Option<Kind> {
        let mut kind = if self.takes("STRUCT(") {
            let mut fields = Vec::new();
            loop {
                let name = self.name()?;
                fields.push((name, self.kind()?));
                if self.takes(")") {
                    break Kind::Struct(fields);
                }
                self.takes(", ").then_some(())?;
            }
        } else if self.takes("MAP(") {
            let key = self.kind()?;
            self.takes(", ").then_some(())?;
            let value = self.kind()?;
            self.takes(")").then_some(())?;
            Kind::Map(Box::new(key), Box::new(value))
        } else {
            Kind::scalar(self.word()?)
        };
        while self.takes("[]") {
            kind = Kind::List(Box::new(kind));
        }
        Some(kind)
    }

    fn takes(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A scalar type, which may have brackets of its own.
    fn word(&mut self) -> Option<&str> {
        let mut depth = 0;
        let end = self.rest.find(|letter| {
            match letter {
                '(' => depth += 1,
                ')' if depth > 0 => depth -= 1,
                ')' | ',' | '[' if depth == 0 => return true,
                _ => {}
            }
            false
        });
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// A field's name, and the space after it.
    fn name(&mut self) -> Option<String> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let (name, rest) = self.rest.split_once(' ')?;
            self.rest = rest;
            return Some(name.to_owned());
        };
        let mut name = String::new();
        let mut rest = quoted;
        loop {
            let (part, after) = rest.split_once('"')?;
            name.push_str(part);
            match after.strip_prefix('"') {
                Some(more) => {
                    name.push('"');
                    rest = more;
                }
                None => {
                    self.rest = after.strip_prefix(' ')?;
                    return Some(name);
                }
            }
        }
    }
}
