//! Numbers of 128 bits as text.

/// Writes and reads a tuple of one `u128` as 32 small hexadecimal digits, also in JSON. `$isnt` says
/// what another text is not.
macro_rules! hex_text {
    ($name:ident, $isnt:literal) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> Result<Self, $crate::Error> {
                let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                let number = u128::from_str_radix(text, 16).ok();
                let number = number.filter(|_| text.len() == 32 && text.bytes().all(is_digit));
                number.map(Self).ok_or_else(|| {
                    $crate::Error::Unfit(format!(
                        "{text:?} is {}, which has 32 hexadecimal digits",
                        $isnt
                    ))
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::Error;

            fn try_from(text: String) -> Result<Self, $crate::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(number: $name) -> Self {
                number.to_string()
            }
        }
    };
}
pub(super) use hex_text;
