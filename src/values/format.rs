//! The two ways in which a value is written.

/// The format of one parameter or result column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Binary,
}

impl Format {
    /// The format of a code on the wire, whose decoder lets only 0 and 1 through.
    pub(crate) fn from_code(code: i16) -> Self {
        if code == Self::Binary.code() { Self::Binary } else { Self::Text }
    }

    /// The code on the wire.
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}
