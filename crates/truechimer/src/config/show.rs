//! The effective configuration as a text that can be read again.

use std::net::SocketAddr;

use toml::Spanned;
use truechimer_time::Span;

use super::address::At;
use super::reference::{Offset, RefId};
use super::written::{
    Key, Places, Spelling, Written, WrittenAssume, WrittenChrony, WrittenClassic, WrittenClock,
    WrittenClockbound, WrittenHook, WrittenKeys, WrittenLeap, WrittenLog, WrittenMetrics, WrittenSelect,
    WrittenServe, WrittenServeKey, WrittenServeNts, WrittenSource, WrittenState, WrittenStatistics,
};
use super::{
    Chrony, Classic, Config, KeyId, Kind, Metrics, Prefix, Reference, Serve, ServeNts, ServedKey, Source,
};

pub(super) fn toml(config: &Config) -> String {
    toml::to_string(&written(config)).expect("the configuration is tables of texts, numbers and truth values")
}

fn written(config: &Config) -> Written {
    let (clock, trust) = (&config.clock, &config.trust);
    Written {
        accuracy: config.accuracy.and_then(spelled),
        schedule: spelled(config.schedule),
        temperature: config.temperature.clone().map(Spelling),
        user: spelled(config.user.clone()),
        source: Some(
            config.sources.iter().map(|source| Spanned::new(0..0, written_source(source))).collect(),
        ),
        keys: WrittenKeys { file: config.keys_file.clone().map(Spelling) },
        clock: WrittenClock {
            target: spelled(clock.target),
            step_threshold: spelled(clock.policy.step_threshold),
            step_updates: key(i64::from(clock.policy.step_updates)),
            step_after_interruption: clock.policy.mending.and_then(|mending| spelled(mending.longest)),
            steps_per_day: clock.policy.mending.and_then(|mending| key(i64::from(mending.per_day))),
            max_slew: spelled(clock.policy.max_slew),
            panic: spelled(clock.policy.panic),
        },
        assume: WrittenAssume {
            max_rate: spelled(trust.max_rate),
            max_drift: spelled(trust.max_drift),
            sudden: spelled(trust.sudden),
        },
        select: WrittenSelect {
            max_delay: spelled(trust.max_delay),
            max_distance: spelled(trust.max_distance),
            min_operators: trust.min_operators.and_then(|least| key(least as i64)),
            nts_bootstrap: trust.nts_bootstrap.and_then(|least| key(least as i64)),
        },
        serve: config.serve.as_ref().and_then(|serve| key(written_serve(serve))),
        chrony: config.chrony.as_ref().and_then(|chrony| key(written_chrony(chrony))),
        classic: written_classic(&config.classic),
        state: WrittenState {
            dir: Some(Spelling(config.state.dir.clone())),
            run_dir: Some(Spelling(config.state.run_dir.clone())),
        },
        statistics: WrittenStatistics {
            dir: config.statistics.dir.clone().map(Spelling),
            max_size: spelled(config.statistics.max_size),
            keep: key(i64::from(config.statistics.keep)),
        },
        hook: WrittenHook { program: config.hook.clone().map(Spelling) },
        log: WrittenLog { level: Some(Spelling(config.log)) },
        clockbound: WrittenClockbound { path: config.clockbound.clone().and_then(spelled) },
        metrics: config.metrics.as_ref().and_then(|metrics| key(written_metrics(metrics))),
        leap: WrittenLeap { file: config.leap_file.clone().map(Spelling) },
    }
}

fn written_source(source: &Source) -> WrittenSource {
    WrittenSource {
        address: spelled(source.address.clone()),
        kind: spelled(source.kind),
        key: source.key.and_then(key_id),
        ca: source.ca.clone().and_then(spelled),
        interleaved: key(source.interleaved),
        pool: source.pool.and_then(|pool| key(pool.places.into())),
        near: source.pool.and_then(|pool| key(pool.is_near)),
        min_interval: spelled(source.min_interval),
        max_interval: spelled(source.max_interval),
        burst: key(i64::from(source.burst)),
        operator: key(source.operator.clone()),
        prefer: Some(source.prefer),
        trust: key(source.trust),
        require: key(source.require),
        ..written_reference(source)
    }
}

/// What only some kinds have.
fn written_reference(source: &Source) -> WrittenSource {
    let Some(Reference { vouched, edge }) = source.reference else { return WrittenSource::default() };
    WrittenSource {
        scale: if source.kind == Kind::Phc { spelled(vouched.scale) } else { None },
        edge: if source.kind == Kind::Pps { spelled(edge) } else { None },
        error: spelled(vouched.error),
        offset: spelled(Offset(vouched.offset)),
        refine: if vouched.is_pulse { None } else { key(vouched.refine) },
        refid: spelled(RefId(vouched.id)),
        ..WrittenSource::default()
    }
}

fn written_chrony(chrony: &Chrony) -> WrittenChrony {
    WrittenChrony { listen: places(&chrony.listen, At), socket: chrony.socket.clone().map(Spelling) }
}

fn written_metrics(metrics: &Metrics) -> WrittenMetrics {
    WrittenMetrics {
        file: Some(Spelling(metrics.file.clone())),
        interval: spelled(metrics.interval),
        names: key(metrics.names.iter().copied().map(Spelling).collect()),
    }
}

fn written_serve(serve: &Serve) -> WrittenServe {
    WrittenServe {
        ntp: places(&serve.ntp, |place| place),
        taiclock: places(&serve.taiclock, At),
        time: places(&serve.time, At),
        allow: prefixes(&serve.allow),
        deny: prefixes(&serve.deny),
        workers: key(serve.workers.into()),
        clients: key(serve.clients as i64),
        limit_interval: spelled(serve.rate.map_or(Span::ZERO, |rule| rule.interval)),
        limit_burst: serve.rate.and_then(|rule| key(rule.burst.into())),
        max_bound: spelled(serve.max_bound),
        interface: serve.interface.clone().and_then(spelled),
        leap_smear: serve.leap_smear.and_then(|smear| spelled(smear.length())),
        key: (!serve.keys.is_empty())
            .then(|| serve.keys.iter().map(|key| Spanned::new(0..0, written_served_key(key))).collect()),
        nts: serve.nts.as_ref().and_then(|nts| key(written_nts(nts))),
    }
}

fn written_nts(nts: &ServeNts) -> WrittenServeNts {
    WrittenServeNts {
        listen: places(&nts.listen, |place| place),
        certificate: nts.certificate.as_ref().map(|files| Spelling(files.certificate.clone())),
        key: nts.certificate.as_ref().map(|files| Spelling(files.key.clone())),
        server: nts.server.clone().and_then(spelled),
        port: nts.port.and_then(|port| key(port.into())),
        ring: Some(Spelling(nts.ring.clone())),
        turn: spelled(nts.turn),
    }
}

fn written_served_key(served: &ServedKey) -> WrittenServeKey {
    WrittenServeKey { id: key_id(served.id), allow: prefixes(&served.allow) }
}

fn places<T>(places: &[SocketAddr], spelling: impl Fn(SocketAddr) -> T) -> Places<T> {
    key(places.iter().map(|place| Spanned::new(0..0, Spelling(spelling(*place)))).collect())
}

fn key_id(id: KeyId) -> Key<i64> {
    key(i64::from(id.get()))
}

fn prefixes(list: &[Prefix]) -> Key<Vec<Spelling<Prefix>>> {
    key(list.iter().map(|prefix| Spelling(*prefix)).collect())
}

fn written_classic(classic: &Classic) -> WrittenClassic {
    let master = classic.master.as_ref();
    WrittenClassic {
        home: Some(Spelling(classic.home.clone())),
        kernel: spelled(classic.kernel),
        master: master.and_then(|master| spelled(master.host.clone()?)),
        master_address: master.and_then(|master| spelled(master.address.clone())),
        master_kind: master.and_then(|master| spelled(master.kind)),
        master_labels: master.and_then(|master| spelled(master.labels)),
        first_wait: classic.first_wait.and_then(spelled),
        longest_wait: classic.longest_wait.and_then(spelled),
        status: classic.status.clone().map(Spelling),
    }
}

/// A key without a place in any text.
fn key<T>(value: T) -> Key<T> {
    Some(Spanned::new(0..0, value))
}

fn spelled<T>(value: T) -> Key<Spelling<T>> {
    key(Spelling(value))
}
