use super::*;
use proptest::prelude::*;

const SECOND: i128 = 1_000_000_000_000_000_000;

fn seconds(count: i64) -> Span {
    Span::from_secs(count)
}

fn ends(earliest: Option<i64>, latest: Option<i64>) -> Ends {
    Ends { earliest: earliest.map_or(Span::MIN, seconds), latest: latest.map_or(Span::MAX, seconds) }
}

fn edge(number: usize, earlier: usize, later: usize, least: i64) -> Edge {
    Edge { earlier, later, least: seconds(least), why: Why::Pair(number) }
}

/// The longest ways between all moments and the epoch, which comes last, in seconds; `None` if not all can be true.
fn ways(moments: &Moments) -> Option<Vec<Vec<Option<i128>>>> {
    let count = moments.ends.len() + 1;
    let mut ways = vec![vec![None; count]; count];
    let mut put = |from: usize, to: usize, least: Span| {
        let way: &mut Option<i128> = &mut ways[from][to];
        *way = (*way).max(Some(least.as_attos() / SECOND));
    };
    for (at, ends) in moments.ends.iter().enumerate() {
        if ends.earliest > Span::MIN {
            put(count - 1, at, ends.earliest);
        }
        if ends.latest < Span::MAX {
            put(at, count - 1, -ends.latest);
        }
        put(at, at, Span::ZERO);
    }
    moments.edges.iter().for_each(|edge| put(edge.earlier, edge.later, edge.least));
    for middle in 0..count {
        for from in 0..count {
            for to in 0..count {
                let through = ways[from][middle].zip(ways[middle][to]).map(|(one, other)| one + other);
                ways[from][to] = ways[from][to].max(through);
            }
        }
    }
    (0..count).all(|at| ways[at][at].is_none_or(|way| way <= 0)).then_some(ways)
}

/// What is left of a system if only these edges count, the early end of the first moment, and the late end of the last.
fn part(moments: &Moments, edges: &[usize], early: Option<usize>, late: Option<usize>) -> Moments {
    let mut part = Moments { ends: vec![Ends::NONE; moments.ends.len()], edges: Vec::new() };
    part.edges = edges.iter().map(|edge| moments.edges[*edge]).collect();
    if let Some(at) = early {
        part.ends[at].earliest = moments.ends[at].earliest;
    }
    if let Some(at) = late {
        part.ends[at].latest = moments.ends[at].latest;
    }
    part
}

#[test]
fn bad_input_161_what_cannot_be_true_is_a_way_from_an_early_end_to_a_late_one() {
    let moments = Moments {
        ends: vec![ends(Some(10), None), ends(None, None), ends(None, Some(11)), ends(Some(0), Some(5))],
        edges: vec![edge(0, 0, 1, 1), edge(1, 1, 2, 1), edge(2, 3, 2, 0)],
    };
    let impossible = moments.solve().expect_err("it is a second too late");
    assert_eq!(impossible, Impossible { edges: vec![0, 1], has_ends: true, by: seconds(1) });
}

#[test]
fn bad_input_161_what_comes_back_to_itself_needs_no_ends() {
    let moments = Moments {
        ends: vec![Ends::NONE; 3],
        edges: vec![edge(0, 0, 1, 3), edge(1, 1, 2, -1), edge(2, 2, 0, -1)],
    };
    let impossible = moments.solve().expect_err("a second too much");
    assert_eq!((impossible.has_ends, impossible.by, impossible.edges.len()), (false, seconds(1), 3));
}

#[test]
fn what_has_no_ends_gets_them_from_others() {
    let moments = Moments {
        ends: vec![ends(Some(10), Some(12)), Ends::NONE, ends(Some(1), Some(20)), Ends::NONE],
        edges: vec![edge(0, 0, 1, 1), edge(1, 1, 2, 2)],
    };
    let bounds = moments.solve().expect("it is possible");
    assert_eq!(bounds[1], Bounds { ends: ends(Some(11), Some(18)), from: [0, 2] });
    assert_eq!(bounds[2].ends, ends(Some(13), Some(20)));
    assert_eq!(bounds[3], Bounds { ends: Ends::NONE, from: [3, 3] });
    assert_eq!(moments.apart(0, 2), Some(seconds(3)));
    assert_eq!((moments.apart(2, 0), moments.apart(0, 3)), (None, None));
}

fn some_ends() -> impl Strategy<Value = Ends> {
    let end = || proptest::option::of(-30i64..30);
    (end(), end()).prop_map(|(one, other)| match (one, other) {
        (Some(one), Some(other)) => ends(Some(one.min(other)), Some(one.max(other))),
        (one, other) => ends(one, other),
    })
}

fn some_moments() -> impl Strategy<Value = Moments> {
    (2usize..8).prop_flat_map(|count| {
        let edges = proptest::collection::vec((0..count, 0..count, -25i64..12), 0..14);
        (proptest::collection::vec(some_ends(), count), edges).prop_map(|(ends, edges)| {
            let apart = edges.into_iter().filter(|(earlier, later, _)| earlier != later).enumerate();
            let edges = apart.map(|(number, (earlier, later, least))| edge(number, earlier, later, least));
            Moments { edges: edges.collect(), ends }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn bad_input_161_what_cannot_be_true_is_told_and_without_any_one_piece_it_could_be(moments in some_moments()) {
        match (moments.solve(), ways(&moments)) {
            (Ok(bounds), Some(ways)) => {
                let count = moments.ends.len();
                for at in 0..count {
                    let second = |span: Span| span.as_attos() / SECOND;
                    let Ends { earliest, latest } = bounds[at].ends;
                    prop_assert_eq!((earliest > Span::MIN).then(|| second(earliest)), ways[count][at]);
                    prop_assert_eq!((latest < Span::MAX).then(|| -second(latest)), ways[at][count]);
                    for other in (0..count).filter(|other| *other != at) {
                        prop_assert_eq!(moments.apart(at, other).map(second), ways_without_epoch(&moments)[at][other]);
                    }
                }
            }
            (Err(impossible), None) => {
                let Impossible { edges, has_ends, by } = impossible;
                prop_assert!(by > Span::ZERO);
                let early = has_ends.then(|| moments.edges[edges[0]].earlier);
                let late = has_ends.then(|| moments.edges[edges[edges.len() - 1]].later);
                prop_assert!(ways(&part(&moments, &edges, early, late)).is_none(), "together they are impossible");
                for out in 0..edges.len() {
                    let others: Vec<usize> = edges.iter().copied().filter(|edge| *edge != edges[out]).collect();
                    prop_assert!(ways(&part(&moments, &others, early, late)).is_some());
                }
                if has_ends {
                    prop_assert!(ways(&part(&moments, &edges, None, late)).is_some());
                    prop_assert!(ways(&part(&moments, &edges, early, None)).is_some());
                }
            }
            (solved, ways) => prop_assert!(false, "{solved:?} but {ways:?}"),
        }
    }

    #[test]
    fn moments_to_read_are_possible_together(moments in some_moments()) {
        let Ok(bounds) = moments.solve() else { return Ok(()) };
        let wanted: Vec<Span> = bounds.iter().map(|bounds| Span::ZERO.clamp(bounds.ends.earliest, bounds.ends.latest)).collect();
        let limits: Vec<Span> = bounds.iter().map(|bounds| bounds.ends.latest).collect();
        let values = moments.possible(wanted, &limits, Span::ZERO).expect("there is a way");
        for edge in &moments.edges {
            prop_assert!(values[edge.earlier] + edge.least <= values[edge.later]);
        }
        for (value, bounds) in values.iter().zip(&bounds) {
            prop_assert!(bounds.ends.earliest <= *value && *value <= bounds.ends.latest);
        }
    }
}

fn ways_without_epoch(moments: &Moments) -> Vec<Vec<Option<i128>>> {
    let free = Moments { ends: vec![Ends::NONE; moments.ends.len()], edges: moments.edges.clone() };
    ways(&free).expect("less is possible too")
}
