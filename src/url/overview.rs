//! How far back the overview looks, as the address says it.

/// A time up to now, divided into some fifty buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Period {
    Hour,
    #[default]
    Day,
    Week,
    Month,
}

impl Period {
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// What follows `now-` in a filter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// The length of a bucket. The server knows whole hours only beyond a day.
    #[must_use]
    pub const fn step(self) -> &'static str {
        match self {
            Self::Hour => "1m",
            Self::Day => "30m",
            Self::Week => "3h",
            Self::Month => "12h",
        }
    }

    /// A link from a newer version shows the usual time.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|period| period.name() == name).unwrap_or_default()
    }
}
