//! Which hosts agree: where the most of their intervals overlap, and where a majority does.

use super::window::Window;

/// The most groups that are told apart.
pub const GROUPS_MAX: usize = 16;

/// Where so many windows overlap that no point is in more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// So many.
    pub height: usize,
    /// There; the first such stretch, if there are several.
    pub window: Window,
}

/// Ends of windows in order. At one point beginnings come before ends, because windows are closed.
fn edges(windows: impl Iterator<Item = Window>) -> Vec<(truechimer_time::Span, bool)> {
    let mut edges: Vec<_> = windows.flat_map(|window| [(window.lo, false), (window.hi, true)]).collect();
    edges.sort_unstable();
    edges
}

/// Where the most of the windows overlap. `None`, if there are none.
pub fn peak(windows: impl Iterator<Item = Window>) -> Option<Peak> {
    let edges = edges(windows);
    let (mut height, mut best): (usize, Option<Peak>) = (0, None);
    for (place, &(at, is_end)) in edges.iter().enumerate() {
        match is_end {
            true => height -= 1,
            false => {
                height += 1;
                // What begins here ends at the next end.
                let next = edges.get(place + 1).filter(|(_, is_end)| *is_end);
                if let Some(&(end, _)) = next.filter(|_| best.is_none_or(|best| best.height < height)) {
                    best = Some(Peak { height, window: Window { lo: at, hi: end } });
                }
            }
        }
    }
    best
}

/// From the first to the last point that at least so many windows hold: if so many are right, what they are about is in
/// there. `None`, if nowhere so many overlap.
pub fn held_by(windows: impl Iterator<Item = Window>, enough: usize) -> Option<Window> {
    let mut height = 0;
    let mut held: Option<Window> = None;
    for (at, is_end) in edges(windows) {
        if !is_end {
            height += 1;
        }
        if height >= enough {
            held = Some(held.map_or(Window { lo: at, hi: at }, |held| Window { hi: at, ..held }));
        }
        if is_end {
            height -= 1;
        }
    }
    held
}

/// Hosts that agree with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Their places, in order.
    pub members: Vec<usize>,
    /// Where all of them overlap.
    pub window: Window,
}

/// The largest group first, then the largest of those that are left; at least two are a group. What comes after
/// [`GROUPS_MAX`] of them is told as standing alone.
pub fn groups(windows: &[Option<Window>]) -> Vec<Group> {
    let mut left: Vec<usize> = (0..windows.len()).filter(|place| windows[*place].is_some()).collect();
    let mut groups = Vec::new();
    while groups.len() < GROUPS_MAX {
        let Some(Peak { height: 2.., window }) = peak(left.iter().filter_map(|place| windows[*place])) else {
            break;
        };
        let goes = |place: &usize| windows[*place].is_some_and(|other| other.meet(window).is_some());
        let (members, others) = left.into_iter().partition(goes);
        groups.push(Group { members, window });
        left = others;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use truechimer_time::Span;

    fn window(lo: i64, hi: i64) -> Window {
        Window::between(Span::from_nanos(lo), Span::from_nanos(hi))
    }

    #[test]
    fn the_peak_is_where_the_most_overlap() {
        let windows = [window(0, 10), window(5, 20), window(8, 9), window(15, 30)];
        assert_eq!(peak(windows.into_iter()), Some(Peak { height: 3, window: window(8, 9) }));
        assert_eq!(
            peak([window(0, 1), window(1, 2)].into_iter()),
            Some(Peak { height: 2, window: window(1, 1) })
        );
        assert_eq!(peak([].into_iter()), None);
    }

    #[test]
    fn a_majority_holds_more_than_the_peak() {
        let windows = [window(0, 10), window(5, 20), window(8, 9)];
        assert_eq!(held_by(windows.into_iter(), 2), Some(window(5, 10)));
        assert_eq!(held_by(windows.into_iter(), 3), Some(window(8, 9)));
        assert_eq!(held_by(windows.into_iter(), 4), None);
    }

    #[test]
    fn groups_are_told_by_their_size_and_who_stands_alone_is_in_none() {
        let windows = [
            Some(window(100, 110)),
            Some(window(0, 10)),
            None,
            Some(window(2, 8)),
            Some(window(105, 120)),
            Some(window(3, 4)),
            Some(window(500, 501)),
        ];
        let groups = groups(&windows);
        assert_eq!(
            groups.iter().map(|group| group.members.clone()).collect::<Vec<_>>(),
            [vec![1, 3, 5], vec![0, 4]]
        );
        assert_eq!(groups[0].window, window(3, 4));
    }

    proptest! {
        #[test]
        fn the_members_of_a_group_overlap_in_its_window_and_nobody_is_in_two(
            ends in proptest::collection::vec((-99i64..99, 0i64..40), 0..30)
        ) {
            let windows: Vec<_> = ends.iter().map(|(lo, wide)| Some(window(*lo, lo + wide))).collect();
            let groups = groups(&windows);
            let mut seen = Vec::new();
            for group in &groups {
                for member in &group.members {
                    prop_assert!(!seen.contains(member));
                    seen.push(*member);
                    let own = windows[*member].unwrap();
                    prop_assert_eq!(own.meet(group.window), Some(group.window));
                }
            }
            prop_assert!(groups.windows(2).all(|pair| pair[0].members.len() >= pair[1].members.len()));
        }

        #[test]
        fn the_truth_is_where_a_majority_overlaps_if_a_majority_is_honest(
            truth in -99i64..99,
            honest in proptest::collection::vec((0i64..40, 0i64..40), 3..9),
            liars in proptest::collection::vec((-99i64..99, 0i64..40), 0..3)
        ) {
            let honest: Vec<_> = honest.iter().map(|(before, after)| window(truth - before, truth + after)).collect();
            let liars: Vec<_> = liars.iter().map(|(lo, wide)| window(*lo, lo + wide)).collect();
            let all = honest.len() + liars.len();
            let held = held_by(honest.into_iter().chain(liars), all / 2 + 1).unwrap();
            prop_assert!(held.lo <= Span::from_nanos(truth) && Span::from_nanos(truth) <= held.hi);
        }
    }
}
