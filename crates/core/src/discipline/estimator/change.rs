//! What may have happened to the path or to the clock between two exchanges, and the doubt that follows from it.

use super::track::{BASE, DRIFT, ERROR, Track};

/// A direction of travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From us to the server.
    There,
    /// From the server to us.
    Back,
}

impl Way {
    /// Both ways, in the order of all pairs here.
    pub const BOTH: [Self; 2] = [Self::There, Self::Back];

    /// Its place in pairs.
    pub const fn index(self) -> usize {
        match self {
            Self::There => 0,
            Self::Back => 1,
        }
    }
}

/// Something moved, nobody knows exactly how far: standard deviations of what is to be added to the state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// The base delay of one way, in seconds.
    Base {
        /// Which.
        way: Way,
        /// By so much.
        by: f64,
    },
    /// The base delays of both ways, in seconds.
    Bases {
        /// Both together, by so much.
        by: f64,
        /// Each for itself, by so much.
        apart: f64,
    },
    /// The client's clock.
    Clock {
        /// By so many seconds.
        by: f64,
        /// Its rate by so much.
        rate: f64,
    },
    /// Nothing, but all that is believed is too sure of itself.
    Overconfidence {
        /// By this factor its variances are too small.
        factor: f64,
    },
}

impl Change {
    /// Is it the network's doing, and not the clock's?
    pub fn is_of_path(&self) -> bool {
        match self {
            Self::Base { .. } | Self::Bases { .. } => true,
            Self::Clock { .. } | Self::Overconfidence { .. } => false,
        }
    }

    /// How far, in seconds.
    pub fn size(&self) -> f64 {
        match *self {
            Self::Base { by, .. } | Self::Bases { by, .. } | Self::Clock { by, .. } => by,
            Self::Overconfidence { .. } => 0.0,
        }
    }

    /// Does it move the base of this way?
    pub(super) fn concerns(&self, way: Way) -> bool {
        match *self {
            Self::Base { way: moved, .. } => moved == way,
            Self::Bases { .. } => true,
            Self::Clock { .. } | Self::Overconfidence { .. } => false,
        }
    }

    /// Adds the doubt to one filter.
    pub(super) fn doubt(&self, track: &mut Track) {
        let p = &mut track.covariance;
        match *self {
            Self::Base { way, by } => p[BASE + way.index()][BASE + way.index()] += by * by,
            Self::Bases { by, apart } => {
                let (common, own) = (by * by, apart * apart);
                for row in 0..2 {
                    for column in 0..2 {
                        let sign = if row == column { 1.0 } else { -1.0 };
                        p[BASE + row][BASE + column] += common + sign * own;
                    }
                }
            }
            Self::Clock { by, rate } => {
                p[ERROR][ERROR] += by * by;
                p[DRIFT][DRIFT] += rate * rate;
            }
            Self::Overconfidence { factor } => {
                for entry in p.iter_mut().flatten() {
                    *entry *= factor;
                }
            }
        }
    }
}
