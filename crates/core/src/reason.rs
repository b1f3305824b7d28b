//! Tables of reasons why something from the network was not used.
//!
//! Every refusal is counted by its reason, shown in words and written to the statistics as a label. One table makes
//! all of it, so that a reason without a counter, a label or a sentence cannot be written down.

/// Makes an enum of reasons: each row is the variant with its documentation, its label, and the sentence that
/// completes what the enum's own documentation says.
macro_rules! reasons {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident $label:literal $sentence:literal)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {$(
            $(#[$doc])*
            $variant,
        )*}

        impl $name {
            /// Every reason, in the order of [`Self::index`].
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$variant),*];

            /// The place of this reason in [`Self::ALL`], and so in a row of counters of that length.
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The name of this reason in statistics and metrics: lower case, words joined by `_`.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $sentence,)*
                })
            }
        }

        impl core::error::Error for $name {}
    };
}

pub(crate) use reasons;

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use crate::wire::Malformed;

    #[test]
    fn a_table_gives_places_labels_and_sentences() {
        assert_eq!(Malformed::ALL.len(), 7);
        for (place, reason) in Malformed::ALL.iter().enumerate() {
            assert_eq!(reason.index(), place);
        }
        assert_eq!(Malformed::MacLength.label(), "mac_length");
        assert_eq!(Malformed::Long.to_string(), "it is longer than any datagram that is read");
    }
}
