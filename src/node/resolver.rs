//! Names to addresses, off every loop. The system's resolver cannot be interrupted, so it runs on at most two threads that are abandoned
//! when they hang: a late answer is dropped, and stopping a node never waits for one. Names that peers told of may hang by their intent:
//! they hold one of the threads at most, and each waits until nobody else does.

use super::system;
use crate::base::limits::RESOLVE_TIMEOUT;
use crate::bus::sync::Lock;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// Threads at most (design, section 2).
const THREADS_MAX: usize = 2;
/// Names that may wait; more are answered at once with no address.
const WAITING_MAX: usize = 64;
/// Those of them that peers told of. Exchange asks for one a second.
const HEARD_WAITING_MAX: usize = 4;
/// Addresses taken of one name.
const ADDRESSES_MAX: usize = 16;

/// Receives the addresses of a name; none if it did not resolve. Called on a resolver thread: it must not block.
pub type Reply = Box<dyn FnOnce(Vec<SocketAddr>) + Send>;

/// What is asked for.
#[derive(Debug)]
pub struct Question {
    pub name: String,
    pub port: u16,
    /// A peer told of it, and nobody else wants it.
    pub is_heard: bool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Question, Reply)>,
    /// Those that peers told of.
    heard: VecDeque<(Question, Reply)>,
    /// One of these is being looked up.
    is_hearing: bool,
    threads: usize,
}

impl State {
    /// What a free thread looks up next.
    fn next(&mut self) -> Option<(Question, Reply)> {
        let heard = || if self.is_hearing { None } else { self.heard.pop_front() };
        let next = self.waiting.pop_front().or_else(heard);
        self.is_hearing |= next.as_ref().is_some_and(|(question, _)| question.is_heard);
        next
    }
}

/// Resolves names. Dropping it abandons what is under way.
#[derive(Clone)]
pub struct Resolver {
    state: Arc<Lock<State>>,
    lookup: Lookup,
    /// Cut by `stop`; nothing is ever sent.
    life: Arc<Lock<Option<Sender<Infallible>>>>,
    ended: Receiver<Infallible>,
}

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
        Resolver { state: Arc::default(), lookup: ask_system, life: Arc::new(Lock::new(Some(life))), ended }
    }
}

impl Resolver {
    /// Asks for the addresses of a name. Never blocks.
    pub fn ask(&self, question: Question, reply: Reply) {
        let mut state = self.state.lock();
        let max = if question.is_heard { HEARD_WAITING_MAX } else { WAITING_MAX };
        let State { waiting, heard, .. } = &mut *state;
        let queue = if question.is_heard { heard } else { waiting };
        if queue.len() >= max {
            drop(state);
            return reply(Vec::new());
        }
        queue.push_back((question, reply));
        let grows = state.threads < THREADS_MAX;
        state.threads += usize::from(grows);
        drop(state);
        if !grows {
            return;
        }
        let (shared, lookup) = (Arc::clone(&self.state), self.lookup);
        if system::spawn("bwl-resolve", move || work(&shared, lookup)).is_err() {
            // Without a thread nobody would ever answer: those who wait are told.
            let mut state = self.state.lock();
            state.threads -= 1;
            let mut stranded = VecDeque::new();
            if state.threads == 0 {
                stranded.append(&mut state.waiting);
                stranded.append(&mut state.heard);
            }
            drop(state);
            stranded.into_iter().for_each(|(_, reply)| reply(Vec::new()));
        }
    }

    /// Releases everybody who waits here, now and later: the node stops.
    pub fn stop(&self) {
        drop(self.life.lock().take());
    }

    /// Resolves and waits, at most `RESOLVE_TIMEOUT` and `patience`. Empty if nothing came.
    pub fn wait(&self, name: &str, port: u16, patience: Duration) -> Vec<SocketAddr> {
        let (send, answer): (_, Receiver<Vec<SocketAddr>>) = bounded(1);
        let question = Question { name: name.to_owned(), port, is_heard: false };
        self.ask(question, Box::new(move |addresses| drop(send.try_send(addresses))));
        select! {
            recv(answer) -> addresses => addresses.unwrap_or_default(),
            recv(self.ended) -> _ => Vec::new(),
            default(patience.min(RESOLVE_TIMEOUT)) => Vec::new(),
        }
    }
}

/// A thread's life: questions until none waits.
fn work(shared: &Lock<State>, lookup: Lookup) {
    loop {
        let mut state = shared.lock();
        let Some((question, reply)) = state.next() else {
            state.threads -= 1;
            return;
        };
        drop(state);
        let addresses = lookup(&question.name, question.port);
        if question.is_heard {
            shared.lock().is_hearing = false;
        }
        reply(addresses);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    static HANGING: Barrier = Barrier::new(THREADS_MAX + 1);

    fn hang(_: &str, _: u16) -> Vec<SocketAddr> {
        HANGING.wait();
        HANGING.wait();
        Vec::new()
    }

    #[test]
    fn names_that_hang_hold_two_threads_and_nobody_who_waits() {
        let resolver = Resolver { lookup: hang, ..Resolver::default() };
        let patience = Duration::from_millis(1);
        assert!(resolver.wait("a.example", 1, patience).is_empty());
        assert!(resolver.wait("b.example", 1, patience).is_empty());
        // Both threads hang now; a third name waits for them, and its asker does not.
        HANGING.wait();
        assert!(resolver.wait("c.example", 1, patience).is_empty());
        assert_eq!(resolver.state.lock().threads, THREADS_MAX);
        assert_eq!(resolver.state.lock().waiting.len(), 1);
        let full = (0..WAITING_MAX + 1).filter(|_| {
            let (send, answer) = bounded(1);
            let question = Question { name: "d.example".to_owned(), port: 1, is_heard: false };
            resolver.ask(question, Box::new(move |found| drop(send.try_send(found))));
            answer.try_recv().is_ok()
        });
        assert_eq!(full.count(), 2, "what does not fit the queue is answered at once");
        resolver.state.lock().waiting.clear();
        HANGING.wait();
    }

    #[test]
    fn names_of_peers_that_hang_leave_a_thread_to_the_operators() {
        static BLACK: Barrier = Barrier::new(2);
        /// Names of peers never answer, others do at once.
        fn lookup(name: &str, port: u16) -> Vec<SocketAddr> {
            if name.starts_with("black") {
                BLACK.wait();
                BLACK.wait();
            }
            vec![SocketAddr::from(([127, 0, 0, 1], port))]
        }
        let resolver = Resolver { lookup, ..Resolver::default() };
        let (send, answers) = bounded(100);
        let hear = |number: u16| {
            let send = send.clone();
            let question = Question { name: format!("black{number}.example"), port: number, is_heard: true };
            resolver.ask(question, Box::new(move |found| drop(send.try_send(found))));
        };
        hear(1);
        BLACK.wait();
        (2..60).for_each(hear);
        assert_eq!(answers.len(), 58 - HEARD_WAITING_MAX, "few wait, the others are answered at once");
        for port in 1..20 {
            let found = resolver.wait("seed.example", port, Duration::from_secs(60));
            assert_eq!(found, [SocketAddr::from(([127, 0, 0, 1], port))], "though names of peers hang, and wait");
        }
        assert!(resolver.state.lock().is_hearing);
        // The others have their turn one by one.
        BLACK.wait();
        for _ in 0..HEARD_WAITING_MAX {
            BLACK.wait();
            BLACK.wait();
        }
        let answered = (0..=58 - HEARD_WAITING_MAX + HEARD_WAITING_MAX).map(|_| answers.recv_timeout(Duration::from_secs(60)));
        assert_eq!(answered.filter(|found| found.as_ref().is_ok_and(|found| !found.is_empty())).count(), 1 + HEARD_WAITING_MAX);
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
