//! Two sessions in memory, for the tests of handshake and records: what one writes the other reads, in pieces of any size.
#![allow(dead_code, reason = "every test file uses a part of it")]

pub mod rogue;
pub mod sessions;

use bowline::base::channel::{Channel, ChannelId, Kind};
use bowline::base::entropy::Entropy;
use bowline::base::peer::PeerId;
use bowline::base::reason::CloseReason;
use bowline::base::rng::Rng;
use bowline::base::time::Time;
use bowline::base::verdict::Verdict;
use bowline::crypto::identity::{Draft, Identity};
use bowline::flow::batch::Pending;
use bowline::session::bowline::Bowline;
use bowline::session::dialect::{Context, Dialect, Signal};
use bowline::session::gate::Gate;
use bowline::session::intake::{ControlMessage, Intake, Reply, Word};
use bowline::session::local::{Local, Profile};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub const UNIX: u64 = 1_680_000_030;

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("a socket address")
}

/// An identity that its seed repeats, without a stamp worth the name.
pub fn identity(seed: u64) -> Identity {
    Draft::new(&mut Rng::from_seed(seed), 0).run(1).expect("every stamp reaches 0 bits")
}

pub fn profile(seed: u64) -> Profile {
    Profile::new(identity(seed), "bowline test")
}

pub fn local(profile: Profile) -> Arc<Local> {
    Arc::new(Local::new(profile).expect("a valid profile"))
}

/// Channels of different weight and window, among them an id above 255.
pub fn channels() -> Vec<Channel> {
    vec![
        Channel::new(0x20, "blocks"),
        Channel { priority: 5, receive_queue_bytes: 4_096, ..Channel::new(0x21, "votes") },
        Channel { priority: 200, message_bytes_max: 300_000, receive_queue_bytes: 1_024, ..Channel::new(0x1234, "far") },
    ]
}

/// Entropy that gives what a test wants first, then a seeded stream.
pub struct Script {
    pub first: VecDeque<Vec<u8>>,
    pub rest: Rng,
}

impl Script {
    pub fn seeded(seed: u64) -> Script {
        Script { first: VecDeque::new(), rest: Rng::from_seed(seed) }
    }
}

impl Entropy for Script {
    fn fill(&mut self, bytes: &mut [u8]) {
        match self.first.pop_front() {
            Some(wanted) => bytes.copy_from_slice(&wanted),
            None => self.rest.fill(bytes),
        }
    }
}

/// One received message.
pub type Message = (ChannelId, Kind, u32, Vec<u8>);

/// One side: a session and what a reactor would keep beside it.
pub struct End {
    pub session: Bowline,
    pub gate: Gate,
    pub entropy: Script,
    /// Wall time at the test's start.
    pub unix_seconds: u64,
    /// For tests that move one side's time only.
    pub now: Time,
    /// Bytes that arrived and were not used.
    pub inbox: Vec<u8>,
    pub intake: Intake,
    pub signals: Vec<Signal>,
    pub error: Option<CloseReason>,
    pub received: Vec<Message>,
    pub control: Vec<ControlMessage>,
    /// What to answer to signals; `None` leaves them unanswered.
    pub verdict: Option<fn(&Signal) -> Option<Verdict>>,
    /// Grant what was received at once.
    pub is_taking: bool,
    /// Costs of the batches that were not granted.
    pub owed: Vec<(ChannelId, u32)>,
}

/// Lets everybody in.
pub fn welcome(signal: &Signal) -> Option<Verdict> {
    match signal {
        Signal::Recognised { .. } => Some(Verdict::Proceed),
        Signal::Introduced { .. } => Some(Verdict::Admit),
        Signal::Opened | Signal::Told { .. } => None,
    }
}

/// True if the peer got as far as its Hello.
pub fn is_introduced(end: &End) -> bool {
    end.signals.iter().any(|signal| matches!(signal, Signal::Introduced { .. }))
}

impl End {
    pub fn dialer(local: &Arc<Local>, remote: SocketAddr, expect: Option<PeerId>, mut entropy: Script) -> End {
        let mut gate = Gate::new(&mut Rng::from_seed(91), 12, 128);
        let mut cx = Context { now: Time::ZERO, unix_seconds: UNIX, gate: &mut gate, entropy: &mut entropy };
        let session = Bowline::dial(Arc::clone(local), remote, expect, &mut cx);
        End::new(session, gate, entropy)
    }

    pub fn acceptor(local: &Arc<Local>, remote: SocketAddr, entropy: Script) -> End {
        let gate = Gate::new(&mut Rng::from_seed(92), 12, 128);
        End::new(Bowline::accept(Arc::clone(local), remote, Time::ZERO), gate, entropy)
    }

    fn new(session: Bowline, gate: Gate, entropy: Script) -> End {
        End {
            session,
            gate,
            entropy,
            unix_seconds: UNIX,
            now: Time::ZERO,
            inbox: Vec::new(),
            intake: Intake::default(),
            signals: Vec::new(),
            error: None,
            received: Vec::new(),
            control: Vec::new(),
            verdict: Some(welcome),
            is_taking: true,
            owed: Vec::new(),
        }
    }

    /// Runs `step` with a context.
    fn with<T>(&mut self, now: Time, step: impl FnOnce(&mut Bowline, &mut Context<'_>, &mut Vec<u8>, &mut Intake) -> T) -> T {
        let unix_seconds = self.unix_seconds + now.since(Time::ZERO).as_secs();
        let mut cx = Context { now, unix_seconds, gate: &mut self.gate, entropy: &mut self.entropy };
        step(&mut self.session, &mut cx, &mut self.inbox, &mut self.intake)
    }

    /// Offers bytes to the session as a reactor does, until it uses no more of them.
    pub fn deliver(&mut self, now: Time, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
        loop {
            self.answer(now);
            if self.session.is_waiting() || self.error.is_some() {
                return;
            }
            match self.with(now, |session, cx, inbox, intake| session.handle_bytes(cx, inbox, intake)) {
                Ok(used) => {
                    self.inbox.drain(..used);
                    self.collect();
                    if used == 0 {
                        return self.answer(now);
                    }
                }
                Err(reason) => {
                    self.error = Some(reason);
                    return self.answer(now);
                }
            }
        }
    }

    pub fn session_deadline(&self) -> Option<Time> {
        self.session.deadline()
    }

    pub fn pass_time(&mut self, now: Time) {
        if self.error.is_none() {
            self.error = self.with(now, |session, cx, _, _| session.handle_deadline(cx)).err();
        }
    }

    pub fn judge(&mut self, now: Time, verdict: Verdict) -> Result<(), CloseReason> {
        let result = self.with(now, |session, cx, _, _| session.handle_verdict(cx, verdict));
        self.error = self.error.or(result.err());
        result
    }

    pub fn write(&mut self, now: Time, budget: usize) -> Vec<u8> {
        let mut out = Vec::new();
        self.session.poll_write(now, &mut out, budget);
        out
    }

    pub fn is_open(&self) -> bool {
        self.session.is_open() && self.error.is_none()
    }

    /// Gives a lane messages.
    pub fn give(&mut self, lane: usize, pending: &mut Pending) {
        assert!(self.session.is_drained(lane), "lane {lane} is drained");
        self.session.refill(lane, pending);
    }

    /// Grants everything that was kept back.
    pub fn take_all(&mut self) {
        for (channel, cost) in std::mem::take(&mut self.owed) {
            self.session.grant(channel, cost);
        }
    }

    fn answer(&mut self, now: Time) {
        while let Some(signal) = self.session.poll_signal() {
            let verdict = self.verdict.and_then(|verdict| verdict(&signal));
            self.signals.push(signal);
            if let Some(verdict) = verdict {
                // The reason is kept by `judge`.
                let _ = self.judge(now, verdict);
            }
        }
    }

    fn collect(&mut self) {
        self.control.append(&mut self.intake.control);
        for batch in std::mem::take(&mut self.intake.batches) {
            let channel = batch.channel.expect("a batch has a channel");
            let mut begin = 0;
            for entry in &batch.entries {
                let end = entry.end as usize;
                self.received.push((channel, entry.kind, entry.request, batch.bytes[begin..end].to_vec()));
                begin = end;
            }
            assert_eq!(begin, batch.bytes.len(), "entries cover the batch");
            assert!(batch.bytes.capacity() <= 2 * batch.bytes.len(), "a batch holds little more than it was paid for");
            self.owed.push((channel, batch.cost));
        }
        for Reply { channel, request, word, cost } in std::mem::take(&mut self.intake.replies) {
            let (kind, body) = match word {
                Word::Answer(body) => (Kind::Response, body.to_vec()),
                Word::Refused(refusal) => (Kind::Error, refusal.encode(usize::MAX)),
                Word::Cancel => (Kind::Cancel, Vec::new()),
            };
            self.received.push((channel, kind, request, body));
            self.owed.push((channel, cost));
        }
        if self.is_taking {
            self.take_all();
        }
    }
}

/// A dialer `a` and an acceptor `b`, and the wire between them.
pub struct Pair {
    pub a: End,
    pub b: End,
    pub now: Time,
    /// Bytes that one call delivers; drawn anew for each.
    pub chunk: Box<dyn FnMut() -> usize>,
    /// Everything that went over the wire.
    pub a_wrote: Vec<u8>,
    pub b_wrote: Vec<u8>,
}

impl Pair {
    pub fn new(a: End, b: End) -> Pair {
        Pair { a, b, now: Time::ZERO, chunk: Box::new(|| usize::MAX), a_wrote: Vec::new(), b_wrote: Vec::new() }
    }

    /// Two nodes with the default profile and the test's channels.
    pub fn plain() -> Pair {
        let of = |seed| local(Profile { channels: channels(), ..profile(seed) });
        Pair::of(&of(1), &of(2))
    }

    pub fn of(a: &Arc<Local>, b: &Arc<Local>) -> Pair {
        let dialer = End::dialer(a, address("203.0.113.9:9732"), Some(b.profile.identity.id()), Script::seeded(11));
        Pair::new(dialer, End::acceptor(b, address("198.51.100.7:51234"), Script::seeded(12)))
    }

    /// Moves bytes, and time where it is waited for, until neither side has anything to say.
    pub fn run(&mut self) {
        loop {
            for end in [&mut self.a, &mut self.b] {
                if end.session.deadline().is_some_and(|deadline| deadline <= self.now) {
                    end.pass_time(self.now);
                }
            }
            let (to_b, to_a) = (self.a.write(self.now, 100_000), self.b.write(self.now, 100_000));
            if to_b.is_empty() && to_a.is_empty() && !self.is_busy() {
                return;
            }
            self.a_wrote.extend_from_slice(&to_b);
            self.b_wrote.extend_from_slice(&to_a);
            deliver_in_pieces(&mut self.b, self.now, &to_b, &mut self.chunk);
            deliver_in_pieces(&mut self.a, self.now, &to_a, &mut self.chunk);
        }
    }

    /// Runs until both sides are open, and forgets the bytes of the opening.
    pub fn open(mut self) -> Pair {
        self.run();
        assert_eq!((self.a.error, self.b.error), (None, None));
        assert!(self.a.is_open() && self.b.is_open());
        self.a_wrote.clear();
        self.b_wrote.clear();
        self
    }

    pub fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.run();
    }

    /// A puzzle that is being solved wants to be called again at once.
    fn is_busy(&self) -> bool {
        [&self.a, &self.b].iter().any(|end| end.error.is_none() && end.session.deadline() == Some(Time::ZERO))
    }
}

fn deliver_in_pieces(end: &mut End, now: Time, mut bytes: &[u8], chunk: &mut dyn FnMut() -> usize) {
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(chunk().clamp(1, bytes.len()));
        end.deliver(now, piece);
        bytes = rest;
    }
}
