//! Prints what the yardsticks measure beside what was measured before with other code for the same methods: one line a
//! cell, of each method the root mean square error in microseconds and its ratio to the figure that it should have.
//!
//! ```text
//! cargo run --release -p truechimer-sim --example yardsticks [seeds]
//! ```

#[path = "../tests/yardstick/world.rs"]
mod world;

use truechimer_sim::lab::Method;
use truechimer_sim::yardstick::{Kalman, KalmanBank, Limit, Polls, Regression};

use world::World;

/// The figures to compare with, in microseconds: poll interval (`None`: the regression's own), walk, jitter, mean poll
/// of the regression, and the root mean square error of regression, Kalman told, Kalman learning, and of the limit.
type Row = (Option<f64>, f64, f64, f64, [f64; 4]);

#[rustfmt::skip]
const TABLE: [Row; 36] = [
    (Some(64.0), 1e-10, 1e-5, 65.0, [2.38, 2.47, 2.50, 1.01]),
    (Some(64.0), 1e-10, 1e-4, 65.0, [11.31, 14.20, 14.50, 4.17]),
    (Some(64.0), 1e-10, 1e-3, 65.0, [106.0, 81.55, 83.58, 16.79]),
    (Some(64.0), 1e-10, 1e-2, 65.0, [1053.0, 494.0, 702.0, 60.49]),
    (Some(64.0), 1e-9, 1e-5, 65.0, [5.67, 4.44, 4.48, 2.62]),
    (Some(64.0), 1e-9, 1e-4, 65.0, [23.83, 24.72, 25.04, 10.12]),
    (Some(64.0), 1e-9, 1e-3, 65.0, [113.0, 142.0, 145.0, 41.73]),
    (Some(64.0), 1e-9, 1e-2, 65.0, [1057.0, 816.0, 836.0, 168.0]),
    (Some(64.0), 1e-8, 1e-5, 65.0, [13.61, 8.29, 8.39, 6.81]),
    (Some(64.0), 1e-8, 1e-4, 65.0, [56.83, 44.40, 44.84, 26.22]),
    (Some(64.0), 1e-8, 1e-3, 65.0, [239.0, 247.0, 250.0, 101.0]),
    (Some(64.0), 1e-8, 1e-2, 65.0, [1116.0, 1420.0, 1450.0, 418.0]),
    (Some(1024.0), 1e-10, 1e-5, 1034.0, [10.71, 7.23, 7.30, 5.56]),
    (Some(1024.0), 1e-10, 1e-4, 1034.0, [49.20, 38.95, 39.30, 21.43]),
    (Some(1024.0), 1e-10, 1e-3, 1034.0, [190.0, 218.0, 223.0, 84.27]),
    (Some(1024.0), 1e-10, 1e-2, 1034.0, [1077.0, 1217.0, 1754.0, 361.0]),
    (Some(1024.0), 1e-9, 1e-5, 1034.0, [56.69, 18.57, 18.67, 18.16]),
    (Some(1024.0), 1e-9, 1e-4, 1034.0, [107.0, 72.28, 73.02, 55.62]),
    (Some(1024.0), 1e-9, 1e-3, 1034.0, [492.0, 390.0, 393.0, 215.0]),
    (Some(1024.0), 1e-9, 1e-2, 1034.0, [1906.0, 2183.0, 2230.0, 843.0]),
    (Some(1024.0), 1e-8, 1e-5, 1034.0, [556.0, 142.0, 142.0, 142.0]),
    (Some(1024.0), 1e-8, 1e-4, 1034.0, [567.0, 186.0, 187.0, 182.0]),
    (Some(1024.0), 1e-8, 1e-3, 1034.0, [1073.0, 723.0, 730.0, 557.0]),
    (Some(1024.0), 1e-8, 1e-2, 1034.0, [4909.0, 3895.0, 3930.0, 2147.0]),
    (None, 1e-10, 1e-5, 927.0, [10.73, 7.12, 7.19, 5.35]),
    (None, 1e-10, 1e-4, 1027.0, [49.14, 39.34, 39.86, 21.54]),
    (None, 1e-10, 1e-3, 1027.0, [195.0, 224.0, 227.0, 85.00]),
    (None, 1e-10, 1e-2, 1027.0, [1089.0, 1268.0, 1764.0, 363.0]),
    (None, 1e-9, 1e-5, 277.0, [21.60, 9.86, 9.96, 8.67]),
    (None, 1e-9, 1e-4, 939.0, [108.0, 71.28, 71.94, 54.27]),
    (None, 1e-9, 1e-3, 1027.0, [492.0, 393.0, 399.0, 215.0]),
    (None, 1e-9, 1e-2, 1027.0, [1946.0, 2238.0, 2273.0, 850.0]),
    (None, 1e-8, 1e-5, 70.0, [19.07, 9.84, 9.94, 8.64]),
    (None, 1e-8, 1e-4, 277.0, [213.0, 98.24, 99.06, 86.80]),
    (None, 1e-8, 1e-3, 928.0, [1078.0, 702.0, 709.0, 529.0]),
    (None, 1e-8, 1e-2, 1027.0, [4908.0, 3932.0, 3986.0, 2149.0]),
];

fn main() {
    let seeds = std::env::args().nth(1).and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    println!(
        "  poll   walk  jitter  asked every | regression   |   kalman     |   bank       |   limit      within 1.96 sigma"
    );
    for row in TABLE {
        println!("{}", line(&row, seeds));
    }
}

fn line(&(poll, wander, jitter, asked, expected): &Row, seeds: u64) -> String {
    let mut sums = [0.0; 6];
    for seed in 1..=seeds {
        let run = measured(&World { seed, ..World::new(wander, jitter, 1_000_000) }, poll);
        sums = [0, 1, 2, 3, 4, 5].map(|k| sums[k] + run[k] / seeds as f64);
    }
    let poll = poll.map_or("own".into(), |poll| format!("{poll:.0}"));
    let mut line =
        format!("{poll:>6}  {wander:.0e}    {jitter:.0e}  {:5.0} {:5.2}", sums[4], sums[4] / asked);
    for (sum, expected) in sums.into_iter().zip(expected) {
        let rms = libm::sqrt(sum) * 1e6;
        line.push_str(&format!(" | {rms:7.2} {:4.2}", rms / expected));
    }
    format!("{line}  {:5.3}", sums[5])
}

/// The mean square errors of all methods on the same packets, the mean poll interval of the regression, and how often
/// the limit was within the error that it claims.
fn measured(world: &World, poll: Option<f64>) -> [f64; 6] {
    let regression = world.run(poll, &mut Regression::new(Polls::default()).keeping(3));
    let poll = poll.or(Some(regression.poll / 1.01));
    let square = |method: &mut dyn Method| world.run(poll, method).rms.powi(2);
    let limit = world.run(poll, &mut Limit::new(world.told(), 1000, world.seed));
    [
        regression.rms.powi(2),
        square(&mut Kalman::new(world.wander, world.jitter)),
        square(&mut KalmanBank::new()),
        limit.rms.powi(2),
        regression.poll,
        limit.covered,
    ]
}
