//! Names to addresses, off every loop. The system's resolver cannot be interrupted, so it runs on a few threads that are abandoned when they
//! hang: stopping a node never waits for one. Whoever asks leaves threads to the others: callers come first, then names of the settings, then
//! names that peers told of, which may hang by their intent and hold one thread at most. A name is looked up once at a time, for all who ask.

use super::system;
use crate::base::limits::{PERSISTENT_MAX, RESOLVE_TIMEOUT};
use crate::bus::sync::Lock;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// Threads at most: one is there only while it has a name to look up.
const THREADS_MAX: usize = 8;
/// Names of the settings that may wait: all that there can be, 256 seeds and 256 persistent peers.
pub const CONFIGURED_MAX: usize = 2 * PERSISTENT_MAX;
/// Addresses taken of one name.
const ADDRESSES_MAX: usize = 16;

/// Receives the addresses of a name; none if it did not resolve. Called on a resolver thread: it must not block.
pub type Reply = Box<dyn FnOnce(Vec<SocketAddr>) + Send>;

/// Who wants to know. Who stands first is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A call of the application, which waits.
    Caller,
    /// The operator has configured the name.
    Settings,
    /// A peer told of it, and nobody else wants it. Exchange asks for one at a time.
    Peer,
}

impl Asker {
    const ALL: [Asker; 3] = [Asker::Caller, Asker::Settings, Asker::Peer];

    /// Lookups at once: however many hang of one kind, two threads are left to each of the first two.
    const fn lookups_max(self) -> usize {
        match self {
            Asker::Caller | Asker::Settings => 5,
            Asker::Peer => 1,
        }
    }

    /// Names that may wait; more are answered at once with no address.
    const fn waiting_max(self) -> usize {
        match self {
            Asker::Caller => 64,
            Asker::Settings => CONFIGURED_MAX,
            Asker::Peer => 4,
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Question {
    pub name: String,
    pub port: u16,
    pub asker: Asker,
}

struct Entry {
    /// By which whoever does not wait any more takes it back.
    number: u64,
    question: Question,
    reply: Reply,
}

#[derive(Default)]
struct State {
    /// By asker.
    waiting: [VecDeque<Entry>; 3],
    under_way: Vec<Question>,
    threads: usize,
    numbers: u64,
    is_stopped: bool,
}

impl State {
    /// Where the next that may be looked up stands: not one whose name is looked up already.
    fn next(&self) -> Option<(Asker, usize)> {
        Asker::ALL.into_iter().find_map(|asker| {
            let is_full = self.under_way.iter().filter(|other| other.asker == asker).count() >= asker.lookups_max();
            let is_free = |entry: &Entry| self.under_way.iter().all(|other| other.name != entry.question.name);
            let place = || self.waiting[asker as usize].iter().position(is_free);
            if is_full { None } else { place().map(|place| (asker, place)) }
        })
    }

    /// What a free thread looks up; none: it ends.
    fn begin(&mut self) -> Option<Entry> {
        let next = self.next().and_then(|(asker, place)| self.waiting[asker as usize].remove(place));
        match &next {
            Some(entry) => self.under_way.push(entry.question.clone()),
            None => self.threads -= 1,
        }
        next
    }

    /// A name was looked up. Gives all others who wait for it.
    fn end(&mut self, name: &str) -> Vec<Entry> {
        self.under_way.retain(|question| question.name != name);
        let mut same = Vec::new();
        for queue in &mut self.waiting {
            let (answered, others): (VecDeque<Entry>, _) =
                std::mem::take(queue).into_iter().partition(|entry| entry.question.name == name);
            *queue = others;
            same.extend(answered);
        }
        same
    }

    fn take_all(&mut self) -> Vec<Entry> {
        self.waiting.iter_mut().flat_map(std::mem::take).collect()
    }
}

/// Resolves names. Dropping it abandons what is under way.
#[derive(Clone)]
pub struct Resolver {
    state: Arc<Lock<State>>,
    lookup: Lookup,
    /// On a memory network: all names that there are. Nothing is looked up elsewhere.
    names: Option<Names>,
    /// Cut by `stop`; nothing is ever sent.
    life: Arc<Lock<Option<Sender<Infallible>>>>,
    ended: Receiver<Infallible>,
}

/// What names lead to on a memory network.
pub type Names = Arc<Lock<BTreeMap<String, Vec<IpAddr>>>>;

/// How one name is looked up; it may block for as long as it likes.
pub type Lookup = fn(&str, u16) -> Vec<SocketAddr>;

fn ask_system(name: &str, port: u16) -> Vec<SocketAddr> {
    (name, port).to_socket_addrs().map(|all| all.take(ADDRESSES_MAX).collect()).unwrap_or_default()
}

#[cfg(test)]
thread_local! {
    /// How resolvers that are made on this thread look names up.
    pub static LOOKUP: std::cell::Cell<Lookup> = const { std::cell::Cell::new(ask_system) };
}

impl Default for Resolver {
    fn default() -> Resolver {
        let (life, ended) = bounded(0);
        #[cfg(test)]
        let ask_system = LOOKUP.get();
        let life = Arc::new(Lock::new(Some(life)));
        Resolver { state: Arc::default(), lookup: ask_system, names: None, life, ended }
    }
}

impl Resolver {
    /// Knows these names and no others, and answers at once.
    pub fn told(names: Names) -> Resolver {
        Resolver { names: Some(names), ..Resolver::default() }
    }

    /// Asks for the addresses of a name. Never blocks.
    pub fn ask(&self, question: Question, reply: Reply) {
        self.enqueue(question, reply);
    }

    fn enqueue(&self, question: Question, reply: Reply) -> Option<u64> {
        if let Some(names) = &self.names {
            let known = names.lock().get(&question.name.to_ascii_lowercase()).cloned().unwrap_or_default();
            reply(known.into_iter().map(|ip| SocketAddr::new(ip, question.port)).collect());
            return None;
        }
        let mut state = self.state.lock();
        let asker = question.asker;
        if state.is_stopped || state.waiting[asker as usize].len() >= asker.waiting_max() {
            drop(state);
            reply(Vec::new());
            return None;
        }
        state.numbers += 1;
        let number = state.numbers;
        state.waiting[asker as usize].push_back(Entry { number, question, reply });
        let grows = state.threads < THREADS_MAX && state.next().is_some();
        state.threads += usize::from(grows);
        drop(state);
        if grows {
            self.grow();
        }
        Some(number)
    }

    fn grow(&self) {
        let (shared, lookup) = (Arc::clone(&self.state), self.lookup);
        if system::spawn("bwl-resolve", move || work(&shared, lookup)).is_err() {
            // Without a thread nobody would ever answer: those who wait are told.
            let mut state = self.state.lock();
            state.threads -= 1;
            let stranded = if state.threads == 0 { state.take_all() } else { Vec::new() };
            drop(state);
            stranded.into_iter().for_each(|entry| (entry.reply)(Vec::new()));
        }
    }

    /// Releases everybody who waits here, now and later: the node stops. What is being looked up is abandoned.
    pub fn stop(&self) {
        let mut state = self.state.lock();
        state.is_stopped = true;
        let waiting = state.take_all();
        drop(state);
        drop(waiting);
        drop(self.life.lock().take());
    }

    /// Resolves and waits, at most `RESOLVE_TIMEOUT` and `patience`. Empty if nothing came.
    pub fn wait(&self, name: &str, port: u16, patience: Duration) -> Vec<SocketAddr> {
        let (send, answer): (_, Receiver<Vec<SocketAddr>>) = bounded(1);
        let question = Question { name: name.to_owned(), port, asker: Asker::Caller };
        let number = self.enqueue(question, Box::new(move |addresses| drop(send.try_send(addresses))));
        let found = select! {
            recv(answer) -> addresses => addresses.unwrap_or_default(),
            recv(self.ended) -> _ => Vec::new(),
            default(patience.min(RESOLVE_TIMEOUT)) => Vec::new(),
        };
        // Nobody waits for it any more: it is not to hold up others.
        let mut state = self.state.lock();
        state.waiting[Asker::Caller as usize].retain(|entry| Some(entry.number) != number);
        drop(state);
        found
    }
}

/// A thread's life: questions until none waits that it may look up.
fn work(shared: &Lock<State>, lookup: Lookup) {
    loop {
        let mut state = shared.lock();
        let Some(Entry { question, reply, .. }) = state.begin() else { return };
        drop(state);
        let addresses = lookup(&question.name, question.port);
        let others = shared.lock().end(&question.name);
        for Entry { question, reply, .. } in others {
            reply(addresses.iter().map(|at| SocketAddr::new(at.ip(), question.port)).collect());
        }
        reply(addresses);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, LazyLock};

    fn question(name: &str, asker: Asker) -> Question {
        Question { name: name.to_owned(), port: 1, asker }
    }

    /// Where what is asked for is answered to.
    fn replies() -> (impl Fn() -> Reply, Receiver<Vec<SocketAddr>>) {
        let (send, answers) = bounded(1_000);
        let reply = move || -> Reply {
            let send = send.clone();
            Box::new(move |found| drop(send.try_send(found)))
        };
        (reply, answers)
    }

    /// Names that hang, by who asks for them: each kind leaves threads to the others.
    #[test]
    fn names_that_hang_keep_no_other_from_being_resolved() {
        static BEGUN: LazyLock<(Sender<()>, Receiver<()>)> = LazyLock::new(|| bounded(100));
        static LET_GO: LazyLock<(Sender<()>, Receiver<()>)> = LazyLock::new(|| bounded(100));
        /// Some names hang until they are let go, others answer at once.
        fn lookup(name: &str, port: u16) -> Vec<SocketAddr> {
            if name.starts_with("black") {
                BEGUN.0.send(()).and_then(|()| LET_GO.1.recv().or(Ok(()))).expect("the test waits");
            }
            vec![SocketAddr::from(([127, 0, 0, 1], port))]
        }
        let patience = Duration::from_secs(60);
        for (asker, hanging) in [(Asker::Peer, 1), (Asker::Settings, 5), (Asker::Caller, 5)] {
            let resolver = Resolver { lookup, ..Resolver::default() };
            let (reply, answers) = replies();
            let asked = asker.waiting_max().min(40);
            let ask = |number: usize| resolver.ask(question(&format!("black{number}.example"), asker), reply());
            (0..asked).for_each(ask);
            (0..hanging).for_each(|_| BEGUN.1.recv_timeout(patience).expect("it is looked up"));
            let (send, good) = bounded(1);
            let reply_good: Reply = Box::new(move |found| drop(send.try_send(found)));
            // Who calls has his answer while names of settings hang, and the other way round.
            let other = if asker == Asker::Caller { Asker::Settings } else { Asker::Caller };
            resolver.ask(question("good.example", other), reply_good);
            assert_eq!(good.recv_timeout(patience).map(|found| found.len()), Ok(1), "{asker:?}");
            assert_eq!((resolver.state.lock().under_way.len(), answers.len()), (hanging, 0), "{asker:?}");
            // The others have their turn, as threads come back.
            (0..asked).for_each(|_| LET_GO.0.send(()).expect("room"));
            let answered = (0..asked).filter(|_| answers.recv_timeout(patience).is_ok_and(|found| found.len() == 1));
            assert_eq!((answered.count(), BEGUN.1.try_iter().count()), (asked, asked - hanging), "{asker:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_answered_at_once_and_who_has_gone_holds_no_place() {
        static HANGING: Barrier = Barrier::new(2);
        fn hang(_: &str, _: u16) -> Vec<SocketAddr> {
            HANGING.wait();
            HANGING.wait();
            Vec::new()
        }
        let resolver = Resolver { lookup: hang, ..Resolver::default() };
        let (reply, answers) = replies();
        resolver.ask(question("black.example", Asker::Peer), reply());
        HANGING.wait();
        (0..60).for_each(|number| resolver.ask(question(&format!("black{number}.example"), Asker::Peer), reply()));
        assert_eq!(answers.len(), 60 - Asker::Peer.waiting_max(), "few wait, the others are answered at once");
        // The same name is not looked up twice at a time, and who waits for it in vain leaves nothing behind.
        assert!(resolver.wait("black.example", 1, Duration::from_millis(1)).is_empty());
        assert!(resolver.state.lock().waiting[Asker::Caller as usize].is_empty());
        resolver.stop();
        assert!(resolver.wait("late.example", 1, Duration::from_secs(60)).is_empty());
        HANGING.wait();
    }

    #[test]
    fn one_lookup_answers_all_who_ask_for_the_name() {
        static SLOW: Barrier = Barrier::new(2);
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        fn lookup(_: &str, port: u16) -> Vec<SocketAddr> {
            if LOOKUPS.fetch_add(1, Ordering::Relaxed) == 0 {
                SLOW.wait();
                SLOW.wait();
            }
            vec![SocketAddr::from(([127, 0, 0, 1], port))]
        }
        let resolver = Resolver { lookup, ..Resolver::default() };
        let (reply, answers) = replies();
        resolver.ask(question("slow.example", Asker::Settings), reply());
        SLOW.wait();
        for asker in Asker::ALL {
            resolver.ask(Question { port: 7, ..question("slow.example", asker) }, reply());
        }
        assert_eq!(resolver.state.lock().threads, 1, "no other thread has anything to do");
        SLOW.wait();
        let mut ports: Vec<u16> =
            (0..4).filter_map(|_| answers.recv_timeout(Duration::from_secs(60)).ok()).map(|all| all[0].port()).collect();
        ports.sort_unstable();
        assert_eq!((ports, LOOKUPS.load(Ordering::Relaxed)), (vec![1, 7, 7, 7], 1));
    }

    #[test]
    fn a_stop_releases_who_waits_for_a_name() {
        fn sleep(_: &str, _: u16) -> Vec<SocketAddr> {
            std::thread::park_timeout(RESOLVE_TIMEOUT);
            Vec::new()
        }
        let resolver = Resolver { lookup: sleep, ..Resolver::default() };
        let begin = crate::node::clock::Clock::start();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| resolver.wait("a.example", 1, RESOLVE_TIMEOUT));
            while resolver.state.lock().threads == 0 {
                std::thread::yield_now();
            }
            resolver.stop();
            assert!(waiter.join().expect("no panic").is_empty());
        });
        assert!(begin.uptime() < RESOLVE_TIMEOUT / 2);
    }

    #[test]
    fn a_numeric_name_resolves() {
        let found = Resolver::default().wait("127.0.0.1", 7, Duration::from_secs(3));
        assert_eq!(found, ["127.0.0.1:7".parse().expect("an address")]);
    }
}
