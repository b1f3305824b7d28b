use super::*;

const START: Time<Tai> = Time::EPOCH;

fn path(spec: &PathSpec, seed: u64) -> Path {
    Path::new(spec.clone(), START, Stream::new(seed, "path"))
}

fn base() -> PathSpec {
    PathSpec { base: Span::from_millis(10), jitter: Span::from_micros(100), ..PathSpec::default() }
}

/// The delays of a packet a minute for so many hours, in seconds beyond 10 ms.
fn delays(spec: &PathSpec, way: Way, hours: i64) -> Vec<Option<f64>> {
    let mut path = path(spec, 1);
    let excess = |delay: Span| (delay - Span::from_millis(10)).as_seconds();
    (0..hours * 60).map(|minute| path.delay(way, START + Span::from_secs(minute * 60)).map(excess)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn moments(shape: Shape) -> (f64, f64) {
    let drawn: Vec<f64> =
        delays(&PathSpec { shape, ..base() }, Way::There, 1000).into_iter().flatten().collect();
    let mean = mean(&drawn);
    let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / drawn.len() as f64;
    (mean * 1e4, variance.sqrt() * 1e4)
}

#[test]
fn each_shape_has_its_mean_and_deviation() {
    for (shape, mean, deviation) in [
        (Shape::Exponential, 1.0, 1.0),
        (Shape::Gamma, 1.0, 0.5f64.sqrt()),
        (Shape::Weibull { power: 2.0 }, 2.0, 20f64.sqrt()),
        (Shape::Pareto { alpha: 5.0 }, 1.0, (5f64 / 3.0).sqrt()),
        (Shape::Normal, 0.0, 1.0),
        (Shape::Constant, 1.0, 0.0),
    ] {
        let found = moments(shape);
        let is_near =
            (found.0 - mean).abs() < 0.05 && (found.1 - deviation).abs() < 0.03 * deviation.max(1.0) + 1e-9;
        assert!(is_near, "{shape:?}: {found:?}");
    }
}

#[test]
fn no_packet_arrives_before_it_left() {
    let spec = PathSpec {
        base: Span::from_micros(50),
        shape: Shape::Normal,
        stamp_noise: Span::from_micros(30),
        ..base()
    };
    let mut path = path(&spec, 1);
    let quick =
        (0..1000).filter_map(|_| path.delay(Way::Back, START)).filter(|delay| delay.is_zero()).count();
    assert!((100..500).contains(&quick), "{quick} were cut off, none was early");
}

#[test]
fn the_ways_differ_where_they_are_said_to() {
    let spec = PathSpec { asymmetry: Span::from_millis(2), jitter_back: 0.1, ..base() };
    let there: Vec<f64> = delays(&spec, Way::There, 100).into_iter().flatten().collect();
    let back: Vec<f64> = delays(&spec, Way::Back, 100).into_iter().flatten().collect();
    assert!((mean(&there) - 1.1e-3).abs() < 1e-5 && (mean(&back) + 0.99e-3).abs() < 1e-6);
}

#[test]
fn a_queue_stands_where_it_should_and_for_its_share_of_the_time() {
    let bursts = |queue| Bursts {
        every: Span::from_secs(10_000),
        length: Span::from_secs(1000),
        depth: Span::from_millis(5),
        queue,
    };
    let calm = PathSpec { jitter: Span::ZERO, ..base() };
    let share = |queue, way| {
        let spec = PathSpec { bursts: Some(bursts(queue)), ..calm.clone() };
        let queued: Vec<bool> =
            delays(&spec, way, 20_000).iter().map(|d| d.is_some_and(|d| d > 0.0)).collect();
        queued.iter().filter(|&&is_queued| is_queued).count() as f64 / queued.len() as f64
    };
    for queue in [Queue::There, Queue::Standing, Queue::Busy] {
        assert!((share(queue, Way::There) - 0.0952).abs() < 0.01, "{queue:?}");
    }
    assert_eq!(share(Queue::There, Way::Back), 0.0);
    let (there, back) = (share(Queue::OneWay, Way::There), share(Queue::OneWay, Way::Back));
    assert!((there + back - 0.0952).abs() < 0.01 && (there - back).abs() < 0.02, "{there} {back}");
}

#[test]
fn a_route_changes_one_way_and_changes_back() {
    let routes = Routes { every: Span::from_secs(86_400), longer: Span::from_millis(5) };
    let spec = PathSpec { jitter: Span::ZERO, routes: Some(routes), ..base() };
    let there: Vec<f64> = delays(&spec, Way::There, 2400).into_iter().flatten().collect();
    let changes = there.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!((80..120).contains(&changes), "{changes} in 100 days");
    assert!(there.iter().all(|&delay| delay == 0.0 || (delay - 5e-3).abs() < 1e-12));
    assert!(delays(&spec, Way::Back, 2400).iter().all(|&delay| delay == Some(0.0)));
}

#[test]
fn what_is_lost_is_lost() {
    let lost = |spec: &PathSpec| {
        let delays = delays(spec, Way::There, 5000);
        delays.iter().filter(|delay| delay.is_none()).count() as f64 / delays.len() as f64
    };
    let hours = |hours: i64| Span::from_secs(hours * 3600);
    assert!((lost(&PathSpec { loss: 0.3, ..base() }) - 0.3).abs() < 0.01);
    let random = Outages::Random { every: hours(6), length: hours(2) };
    assert!((lost(&PathSpec { outages: random, ..base() }) - 0.28).abs() < 0.03);
    let dialled = Outages::Dialled { up: hours(1), every: hours(10) };
    assert!((lost(&PathSpec { outages: dialled, ..base() }) - 0.9).abs() < 1e-3);
    let mut cut = path(&base(), 1);
    cut.cut(true);
    assert_eq!(cut.delay(Way::There, START), None);
}

#[test]
fn packets_come_twice_and_out_of_order() {
    let mut path = path(&PathSpec { duplicates: 0.2, ..base() }, 1);
    let copies: Vec<Vec<Span>> = (0..5000).map(|_| path.copies(Way::There, START)).collect();
    let twice = copies.iter().filter(|copies| copies.len() == 2).count();
    assert!((900..1100).contains(&twice), "{twice}");
    assert!(copies.iter().any(|copies| copies.len() == 2 && copies[1] < copies[0]));
}

#[test]
fn the_weather_does_not_depend_on_who_looks() {
    let bursts = Bursts {
        every: Span::from_secs(3600),
        length: Span::from_secs(600),
        depth: Span::from_millis(5),
        queue: Queue::Standing,
    };
    let spec = PathSpec { jitter: Span::ZERO, bursts: Some(bursts), ..base() };
    let (mut busy, mut idle) = (path(&spec, 2), path(&spec, 2));
    for second in 0..100_000 {
        let at = START + Span::from_secs(second);
        let is_queued = busy.delay(Way::There, at) > Some(spec.base);
        if second % 977 == 0 {
            assert_eq!(idle.delay(Way::Back, at) > Some(spec.base), is_queued, "{second}");
        }
    }
}
