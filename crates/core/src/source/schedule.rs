//! When to ask a source again.
//!
//! An acquaintance begins with a short burst, and eases off: each of the next few questions comes twice as late as the one
//! before, so that the rate is known well enough when the first whole interval begins. What comes after it depends on
//! what the operator wants:
//!
//! - nothing stated: the interval doubles, up to the longest, while answers are good ([`Schedule::content`]);
//! - an accuracy: the node says when, for all sources together ([`Schedule::plan`], [pace](super::pace));
//! - the classic doubling: nothing eases off ([`Schedule::end_abruptly`]), and each good answer doubles the interval
//!   ([`Schedule::double`]), as clockspeed's did.
//!
//! Something surprising is followed up soon. Questions that come earlier than the shortest interval, for a burst or out
//! of surprise, are paid from a purse that holds a burst and one more, and gets one question back for each shortest
//! interval that passes: whatever happens, nobody is asked more often in the long run. A source's wish to be asked less
//! (`RATE`) is granted, one doubling at a time and never beyond [`RATE_LIMIT`], so that a forged wish cannot silence us
//! (RFC 8633, section 5.4).

use truechimer_time::{Mono, Span, Time};

/// Questions of a burst are so far apart.
pub const BURST_SPACING: Span = Span::from_secs(2);

/// However often `RATE` is heard, the interval is not driven beyond 2¹³ s by it (RFC 8633, section 5.4).
pub const RATE_LIMIT: Span = Span::from_secs(1 << 13);

/// A question without an answer is asked again after this, then after twice as long, and so on up to the interval.
pub const RETRY: Span = Span::from_secs(16);

/// So many questions, each after twice the time, lead from the first burst to the interval.
pub const EASINGS: u8 = 4;

/// So many questions follow a surprise.
pub const FOLLOW_UPS: u8 = 4;

/// So many good samples at one interval before a longer one is tried.
const PATIENCE: u8 = 4;

/// No interval is shorter, so that a loop over what is due ends.
const INTERVAL_MIN: Span = Span::from_millis(100);

/// When one source is asked.
#[derive(Clone, Debug)]
pub struct Schedule {
    least: Span,
    most: Span,
    interval: Span,
    due: Time<Mono>,
    asked: Option<Time<Mono>>,
    burst: u8,
    easings: u8,
    burst_size: u8,
    purse: f64,
    good: u8,
    missed: u8,
    scatter: f64,
    warned: bool,
    traffic: Traffic,
    told: Span,
    forgiven: Option<Time<Mono>>,
}

/// How much a source was bothered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Questions asked.
    pub questions: u64,
    /// Questions answered, be the answer of use or not.
    pub answers: u64,
}

impl Schedule {
    /// The first question of a burst is due at once.
    pub fn new(least: Span, most: Span, burst_size: u8, now: Time<Mono>) -> Self {
        let least = least.max(INTERVAL_MIN);
        let easings = if burst_size > 1 { EASINGS } else { 0 };
        Self {
            least,
            most: most.max(least),
            interval: least,
            due: now,
            asked: None,
            burst: burst_size,
            easings,
            burst_size,
            purse: f64::from(burst_size) + f64::from(easings) + 1.0,
            good: 0,
            missed: 0,
            scatter: 0.0,
            warned: false,
            traffic: Traffic::default(),
            told: least,
            forgiven: None,
        }
    }

    /// The interval follows the first burst at once.
    pub fn end_abruptly(&mut self) {
        self.purse -= f64::from(self.easings);
        self.easings = 0;
    }

    /// When the next question is due.
    pub fn due(&self) -> Time<Mono> {
        self.due
    }

    /// The interval outside a burst.
    pub fn interval(&self) -> Span {
        self.interval
    }

    /// The shortest interval outside a burst, and the longest.
    pub fn limits(&self) -> (Span, Span) {
        (self.least, self.most)
    }

    /// Other limits hold from now on. A wish of the source to be asked less still does.
    pub fn limit(&mut self, least: Span, most: Span, burst_size: u8) {
        let least = least.max(INTERVAL_MIN);
        self.least = if self.warned { self.least.max(least) } else { least };
        self.most = most.max(self.least);
        self.interval = self.interval.max(self.least).min(self.most);
        self.burst_size = burst_size;
        if let Some(asked) = self.asked {
            self.due = self.due.min(asked + self.most);
        }
    }

    /// When it was last asked.
    pub fn last_asked(&self) -> Option<Time<Mono>> {
        self.asked
    }

    /// How much it was asked and how much it answered.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Is the interval by a quarter another one than when this was last asked? Then it is worth telling.
    pub fn is_news(&mut self) -> bool {
        let is_news = (self.interval - self.told).abs() >= self.told / 4;
        if is_news {
            self.told = self.interval;
        }
        is_news
    }

    /// A question goes out now; the next one is due an interval later. `scatter` (0 to 1) spreads the questions of
    /// many clients: up to 2 % of the interval earlier.
    pub fn asked(&mut self, now: Time<Mono>, scatter: f64) {
        self.purse = self.purse_at(now) - 1.0;
        self.asked = Some(now);
        self.traffic.questions += 1;
        self.scatter = scatter;
        self.burst = self.burst.saturating_sub(1);
        let soonest = self.soonest(now) - now;
        let wait = if self.burst > 0 { soonest } else { self.eased().max(soonest) };
        self.due = self.scattered(now, wait);
    }

    /// The wait after a burst: the interval in the end.
    fn eased(&mut self) -> Span {
        let times = 1 << (EASINGS + 1 - self.easings);
        let wait = self.spacing() * times;
        if self.easings == 0 || wait >= self.interval {
            self.easings = 0;
            return self.interval;
        }
        self.easings -= 1;
        wait
    }

    /// Is the interval not yet what counts?
    fn is_acquainting(&self) -> bool {
        self.burst > 0 || self.easings > 0
    }

    fn scattered(&self, from: Time<Mono>, wait: Span) -> Time<Mono> {
        from + wait - Span::from_seconds(wait.as_seconds() * 0.02 * self.scatter)
    }

    /// An answer came, whatever it says.
    pub fn answered(&mut self) {
        self.missed = 0;
        self.traffic.answers += 1;
    }

    /// No answer came: it is asked again sooner than at its interval, but ever more rarely.
    pub fn unanswered(&mut self, now: Time<Mono>) {
        let wait = RETRY * (1 << self.missed.min(30));
        self.missed = self.missed.saturating_add(1);
        self.due = self.due.min(self.soonest(now).max(now + wait));
    }

    /// How many questions could be asked now.
    fn purse_at(&self, now: Time<Mono>) -> f64 {
        let most = (f64::from(self.burst_size) + 1.0).max(self.purse);
        let passed = self.asked.map_or(Span::ZERO, |asked| now - asked);
        (self.purse + passed.as_seconds() / self.least.as_seconds()).min(most)
    }

    /// When an urgent question may be asked: a burst's spacing after the last one, or as soon as it can be paid.
    fn soonest(&self, now: Time<Mono>) -> Time<Mono> {
        let Some(asked) = self.asked else { return now };
        let missing = (1.0 - self.purse).max(0.0);
        let saved = Span::from_seconds(self.least.as_seconds() * missing);
        now.max(asked + self.spacing().max(saved))
    }

    /// A good sample came.
    pub fn content(&mut self) {
        if self.is_acquainting() {
            return;
        }
        self.good = self.good.saturating_add(1);
        if self.good >= PATIENCE {
            self.double();
            self.good = 0;
        }
    }

    /// The interval after the next question is twice as long.
    pub fn double(&mut self) {
        if !self.is_acquainting() {
            self.interval = (self.interval * 2).min(self.most);
        }
    }

    /// The next question shall come `wait` from now, and then one each `interval`, as far as both limits allow. Nothing
    /// changes in a burst or while it eases off.
    pub fn plan(&mut self, now: Time<Mono>, wait: Span, interval: Span) {
        self.interval = interval.max(self.least).min(self.most);
        if self.is_acquainting() {
            return;
        }
        let asked = self.asked.unwrap_or(now);
        let due = (now + wait).max(asked + self.least).min(asked + self.most).max(now);
        self.due = self.scattered(now, due - now);
    }

    /// Something surprising was heard: ask soon, and often for a while.
    pub fn surprised(&mut self, now: Time<Mono>) {
        self.interval = self.least;
        self.good = 0;
        self.due = self.due.min(self.soonest(now));
    }

    /// Something surprising was heard: it is confirmed by a few questions as soon as may be.
    pub fn follow_up(&mut self, now: Time<Mono>) {
        if !self.warned && self.burst == 0 {
            self.burst = FOLLOW_UPS;
        }
        self.due = self.due.min(self.soonest(now));
    }

    /// Somebody else has said something surprising: ask once, as soon as may be.
    pub fn hasten(&mut self, now: Time<Mono>) {
        self.due = self.due.min(self.soonest(now));
    }

    /// The last questions had no answer. Most likely they never left the neighbourhood, so that one may be asked now that is not
    /// paid for. Not more often than the shortest interval: a network may come and go as it likes.
    pub fn forgive(&mut self, now: Time<Mono>) {
        if self.forgiven.is_some_and(|last| now - last < self.least) {
            return;
        }
        self.forgiven = Some(now);
        self.purse = self.purse.max(1.0);
    }

    /// Asks in a burst, beginning as soon as may be; a source that wished to be asked less is asked just once, when it is due.
    pub fn burst(&mut self, now: Time<Mono>) {
        if !self.warned {
            self.burst = self.burst_size.max(1);
            self.due = self.due.min(self.soonest(now));
        }
    }

    /// The source wishes to be asked less.
    pub fn asked_too_often(&mut self, now: Time<Mono>) {
        self.warned = true;
        (self.burst, self.easings) = (0, 0);
        self.good = 0;
        let slower = (self.interval * 2).min(RATE_LIMIT);
        self.interval = self.interval.max(slower);
        self.least = self.least.max(self.interval);
        self.most = self.most.max(self.interval);
        self.due = self.due.max(now + self.interval);
    }

    /// The next question goes out then, if that is later than when it is due.
    pub fn defer(&mut self, due: Time<Mono>) {
        self.due = self.due.max(due);
    }

    /// Not before `wait` has passed: there is nobody to ask.
    pub fn rest(&mut self, now: Time<Mono>, wait: Span) {
        (self.burst, self.easings) = (0, 0);
        self.due = now + wait;
    }

    /// The distance of two questions when it is urgent.
    fn spacing(&self) -> Span {
        if self.warned { self.least } else { BURST_SPACING.min(self.least) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time<Mono> = Time::EPOCH;

    fn schedule() -> Schedule {
        Schedule::new(Span::from_secs(64), Span::from_secs(1024), 4, START)
    }

    #[test]
    fn a_burst_comes_first_and_eases_off() {
        let mut schedule = schedule();
        let mut waits = alloc::vec::Vec::new();
        for _ in 0..10 {
            let now = schedule.due();
            schedule.asked(now, 0.0);
            waits.push((schedule.due() - now).as_seconds());
        }
        assert_eq!(waits, [2.0, 2.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0]);
    }

    #[test]
    fn the_interval_doubles_with_patience_and_falls_at_once() {
        let mut schedule = schedule();
        for _ in 0..4 + EASINGS {
            schedule.asked(START, 0.0);
        }
        for _ in 0..16 {
            schedule.content();
        }
        assert_eq!(schedule.interval(), Span::from_secs(1024));
        schedule.surprised(START);
        assert_eq!(schedule.interval(), Span::from_secs(64));
        assert_eq!(schedule.due(), START + Span::from_secs(2));
    }

    #[test]
    fn bad_inputs_26_and_27_rate_raises_the_interval_by_one_doubling_and_never_beyond_its_limit() {
        let mut schedule = schedule();
        schedule.asked_too_often(START);
        assert_eq!(schedule.interval(), Span::from_secs(128));
        for _ in 0..100 {
            schedule.asked_too_often(START);
        }
        assert_eq!(schedule.interval(), RATE_LIMIT);
        assert_eq!(schedule.due(), START + RATE_LIMIT, "still asked");
    }

    /// How often a source is asked in a day if something happens at each of its answers.
    fn questions_of_a_day(happens: impl Fn(&mut Schedule, Time<Mono>)) -> i64 {
        let mut schedule = schedule();
        let mut questions = 0;
        while schedule.due() < START + Span::from_secs(86_400) {
            let now = schedule.due();
            schedule.asked(now, 1.0);
            happens(&mut schedule, now + Span::from_millis(20));
            questions += 1;
        }
        questions
    }

    #[test]
    fn a_source_that_surprises_with_each_answer_is_not_hammered() {
        let most = 86_400 * 100 / (64 * 98) + 10;
        assert!(questions_of_a_day(|schedule, now| schedule.surprised(now)) <= most);
        assert!(questions_of_a_day(|schedule, now| schedule.burst(now)) <= most);
    }

    #[test]
    fn a_source_that_is_to_be_confirmed_again_and_again_is_not_hammered() {
        let most = 86_400 * 100 / (64 * 98) + 10;
        assert!(questions_of_a_day(|schedule, now| schedule.follow_up(now)) <= most);
        assert!(questions_of_a_day(|schedule, now| schedule.hasten(now)) <= most);
        assert!(questions_of_a_day(|schedule, now| schedule.unanswered(now)) <= most);
        assert!(questions_of_a_day(|schedule, now| schedule.plan(now, Span::ZERO, Span::ZERO)) <= most);
    }

    #[test]
    fn a_plan_may_be_any_span_within_the_limits() {
        let mut schedule = schedule();
        for _ in 0..4 + EASINGS {
            schedule.asked(START, 0.0);
        }
        let later = START + Span::from_secs(100);
        schedule.plan(later, Span::from_millis(123_456), Span::from_secs(300));
        assert_eq!(schedule.due(), later + Span::from_millis(123_456));
        schedule.plan(later, Span::from_secs(5_000), Span::from_secs(5_000));
        assert_eq!(schedule.due(), START + Span::from_secs(1024));
        assert_eq!(schedule.interval(), Span::from_secs(1024));
        schedule.plan(START + Span::from_secs(3), Span::ZERO, Span::ZERO);
        assert_eq!(schedule.due(), START + Span::from_secs(64));
    }

    /// The times of clockspeed's measurements: after 600, 1800, 4200 s, and so on, at last every quarter of a year.
    #[test]
    fn the_classic_doubling_is_that_of_clockspeed() {
        let mut schedule = Schedule::new(Span::from_secs(600), Span::from_secs(7_884_000), 1, START);
        let mut times = alloc::vec::Vec::new();
        for _ in 0..16 {
            let now = schedule.due();
            schedule.asked(now, 0.0);
            schedule.answered();
            schedule.double();
            times.push((now - START).as_seconds() as i64);
        }
        let expected = [600, 1800, 4200, 9000, 18_600, 37_800, 76_200, 153_000, 306_600, 613_800];
        assert_eq!(times[1..11], expected);
        assert_eq!(times[11..], [1_228_200, 2_457_000, 4_914_600, 9_829_800, 17_713_800]);
    }

    #[test]
    fn a_question_without_an_answer_is_asked_again_soon_and_then_ever_more_rarely() {
        let mut schedule = Schedule::new(Span::from_secs(64), Span::from_secs(86_400), 0, START);
        schedule.plan(START, Span::ZERO, Span::from_secs(86_400));
        let mut waits = alloc::vec::Vec::new();
        for _ in 0..16 {
            let now = schedule.due();
            schedule.asked(now, 0.0);
            schedule.unanswered(now);
            waits.push((schedule.due() - now).as_seconds() as i64);
        }
        assert_eq!(waits[..5], [64, 64, 64, 128, 256]);
        assert_eq!(waits[15], 86_400);
    }

    #[test]
    fn bursts_that_are_ordered_again_and_again_keep_their_spacing() {
        let mut schedule = schedule();
        schedule.asked(START, 0.0);
        schedule.burst(START + Span::from_millis(100));
        assert_eq!(schedule.due(), START + BURST_SPACING);
    }

    #[test]
    fn a_second_burst_in_the_first_minute_is_paid_before_anything_else_is_asked() {
        let mut schedule = schedule();
        let mut now = START;
        for question in 0..40 {
            now = schedule.due();
            schedule.asked(now, 0.0);
            if question == 4 {
                schedule.burst(now);
            }
        }
        let least = 64.0 * (40.0 - 4.0 - 1.0 - f64::from(EASINGS) - 1.0);
        assert!((now - START).as_seconds() >= least, "{now}");
    }

    #[test]
    fn an_interval_of_nothing_does_not_spin() {
        let mut schedule = Schedule::new(Span::ZERO, Span::ZERO, 4, START);
        schedule.asked(START, 1.0);
        assert!(schedule.due() > START);
    }

    #[test]
    fn a_wish_to_be_asked_less_is_not_forgotten_at_the_next_surprise() {
        let mut schedule = schedule();
        schedule.asked_too_often(START);
        schedule.surprised(START);
        assert_eq!(schedule.interval(), Span::from_secs(128));
    }
}
