//! The loop of every worker thread: wait for input, nudge, deadline or end; step the machine under the pool's lock; release it; carry
//! out what the machine wants. On a memory network, where no thread is, `stage.rs` gives the same worker its turns. The one place where machines, lock, clock and channels meet. Nothing is sent or logged under the lock.

use super::resolver::{Asker, CONFIGURED_MAX, Question};
use super::shared::Shared;
use crate::base::time::Time;
use crate::bus::outbox::{Answered, Done, Job, Notice, Outbox};
use crate::workers::machine::Machine;
use crossbeam_channel::{Receiver, Sender, after, bounded, never, select};
use std::convert::Infallible;
use std::sync::Arc;

/// Measures that may wait for their machine; one that finds no place is dropped, and the next says the same.
const DONE_MAX: usize = 64;
/// What became of a save and of names has a place each, for no deadline stands for it: a machine that never hears of it saves no more, and
/// asks for that name no more. It has one save under way at most, and one question for each name.
const SURE_MAX: usize = CONFIGURED_MAX + 1;

/// A worker's ears.
pub struct Ears<T, I> {
    pub inbox: Receiver<T>,
    /// What callers want done.
    pub orders: Receiver<I>,
    /// Rung when the machine should look around.
    pub nudges: Receiver<()>,
}

/// A worker: its machine, its ears, and where its jobs say what became of them.
pub struct Pump<M: Machine, T> {
    machine: M,
    ears: Ears<T, M::Input>,
    /// Makes inputs out of what arrives, without a lock held (None: nothing to do).
    decode: Box<dyn Fn(T) -> Option<M::Input> + Send>,
    /// Makes inputs out of results of jobs.
    done: fn(Done) -> Option<M::Input>,
    finished: Receiver<Done>,
    surely: Receiver<Done>,
    jobs: Jobs,
    shared: Arc<Shared>,
}

/// A worker that somebody else gives its turns, because its node has no threads.
pub trait Worker: Send {
    /// When it wants its next turn: now, if something waits for it. `None`: when something comes.
    fn wish(&self, now: Time) -> Option<Time>;
    /// Hears one thing, or does what its deadline asks for.
    fn turn(&mut self);
    /// True if something waits for it.
    fn has_input(&self) -> bool;
}

impl<M: Machine, T> Pump<M, T> {
    pub fn new(
        machine: M,
        ears: Ears<T, M::Input>,
        shared: &Arc<Shared>,
        decode: impl Fn(T) -> Option<M::Input> + Send + 'static,
        done: fn(Done) -> Option<M::Input>,
    ) -> Pump<M, T> {
        let (finish, finished) = bounded::<Done>(DONE_MAX);
        let (finish_surely, surely) = bounded::<Done>(SURE_MAX);
        let jobs = Jobs { finish, finish_surely };
        Pump { machine, ears, decode: Box::new(decode), done, finished, surely, jobs, shared: Arc::clone(shared) }
    }

    /// Works until its life line, on which nothing is ever sent, is cut, or its inbox has no sender left.
    pub fn run(mut self, life: &Receiver<Infallible>) {
        loop {
            let now = self.shared.clock.now();
            let alarm = self.machine.deadline().map_or_else(never, |at| after(now.until(at)));
            let mut input = None;
            select! {
                recv(self.ears.inbox) -> message => match message {
                    Ok(message) => match (self.decode)(message) {
                        Some(message) => input = Some(message),
                        None => continue,
                    },
                    Err(_) => break,
                },
                recv(self.ears.orders) -> order => match order {
                    Ok(order) => input = Some(order),
                    Err(_) => break,
                },
                recv(self.finished) -> result => match result {
                    Ok(result) => input = (self.done)(result),
                    Err(_) => continue,
                },
                recv(self.surely) -> result => match result {
                    Ok(result) => input = (self.done)(result),
                    Err(_) => continue,
                },
                recv(self.ears.nudges) -> nudge => if nudge.is_err() { break },
                recv(life) -> _ => break,
                recv(alarm) -> _ => {}
            }
            #[cfg(feature = "fault-injection")]
            crate::base::faults::turn();
            step(&mut self.machine, input, &self.shared, &self.jobs);
        }
    }
}

impl<M: Machine + Send, T: Send> Worker for Pump<M, T>
where
    M::Input: Send,
{
    fn wish(&self, now: Time) -> Option<Time> {
        if self.has_input() { Some(now) } else { self.machine.deadline() }
    }

    /// As in `run`, but always in the same order.
    fn turn(&mut self) {
        let result = self.surely.try_recv().or_else(|_| self.finished.try_recv());
        let input = match result {
            Ok(result) => (self.done)(result),
            Err(_) => match (self.ears.orders.try_recv(), self.ears.inbox.is_empty()) {
                (Ok(order), _) => Some(order),
                (Err(_), false) => match self.ears.inbox.try_recv().ok().and_then(|message| (self.decode)(message)) {
                    Some(message) => Some(message),
                    None => return,
                },
                (Err(_), true) => {
                    let _ = self.ears.nudges.try_recv();
                    None
                }
            },
        };
        step(&mut self.machine, input, &self.shared, &self.jobs);
    }

    fn has_input(&self) -> bool {
        let Ears { inbox, orders, nudges, .. } = &self.ears;
        let waits = [inbox.is_empty(), orders.is_empty(), nudges.is_empty(), self.finished.is_empty(), self.surely.is_empty()];
        waits.contains(&false)
    }
}

/// Steps a machine once under the lock, then carries out what it wants.
fn step<M: Machine>(machine: &mut M, input: Option<M::Input>, shared: &Arc<Shared>, jobs: &Jobs) {
    let ((), out) = shared.work(|now, pool, out| match input {
        Some(input) => machine.handle(now, input, pool, out),
        None => machine.wake(now, pool, out),
    });
    carry_out(out, shared, jobs);
}

/// Carries out a machine's wishes. No lock is held.
fn carry_out(mut out: Outbox, shared: &Arc<Shared>, jobs: &Jobs) {
    let begun = std::mem::take(&mut out.jobs);
    tell(out, shared);
    begun.into_iter().for_each(|job| jobs.begin(job, shared));
}

/// Carries out everything but jobs. The node's own calls end like this, too.
pub(super) fn tell(out: Outbox, shared: &Shared) {
    for (level, target, text) in out.log {
        log::log!(target: target, level, "{text}");
    }
    for outcome in out.outcomes {
        shared.answer(&outcome);
    }
    for (ticket, answered) in out.answers {
        // What nobody waits for any more is told to all; of other orders than a round, who cared has been told that it took too long.
        if let Some(Answered::Round { links, is_stuck }) = shared.hand_out(ticket, answered) {
            shared.routes.notify(Notice::RoundEnded { ticket, links, is_stuck });
        }
    }
    for command in out.commands {
        shared.order(command);
    }
    for notice in out.notices {
        shared.routes.notify(notice);
    }
    // A bell, not a letter: one nudge that waits is as good as two.
    if out.nudge_maintenance {
        let _ = shared.nudge_maintenance.try_send(());
    }
    if out.nudge_exchange {
        let _ = shared.nudge_exchange.try_send(());
    }
}

/// Where jobs say what became of them.
struct Jobs {
    finish: Sender<Done>,
    finish_surely: Sender<Done>,
}

impl Jobs {
    fn begin(&self, job: Job, shared: &Shared) {
        match job {
            Job::Resolve { ticket, name, port, is_heard } => {
                let asker = if is_heard { Asker::Peer } else { Asker::Settings };
                let finish = self.finish_surely.clone();
                let reply = move |addresses| drop(finish.try_send(Done::Resolved { ticket, addresses }));
                shared.resolver.ask(Question { name, port, asker }, Box::new(reply));
            }
            Job::Save { ticket, is_durable } => {
                let finish = self.finish_surely.clone();
                let reply = move |result| drop(finish.try_send(Done::Saved { ticket, result }));
                shared.storekeeper.ask(is_durable, Box::new(reply));
            }
            Job::Measure => {
                // Without a place for it the next one says the same, and more.
                let _ = self.finish.try_send(Done::Measured(shared.roster.measures()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::channel::ChannelId;
    use crate::node::testbed::{PATIENCE, built_with, started};
    use crate::pool::slots::Use;
    use crate::pool::table::Pool;
    use std::time::{Duration, Instant};

    /// It fills the places for results, then saves; and says what it hears of the save.
    struct Crowding {
        has_begun: bool,
        heard: Sender<Done>,
    }

    impl Machine for Crowding {
        type Input = Done;

        fn handle(&mut self, _: Time, done: Done, _: &mut Pool, _: &mut Outbox) {
            if matches!(done, Done::Saved { .. }) {
                self.heard.send(done).expect("somebody waits");
            }
        }

        fn wake(&mut self, _: Time, _: &mut Pool, out: &mut Outbox) {
            if !std::mem::replace(&mut self.has_begun, true) {
                out.jobs.extend(std::iter::repeat_n(Job::Measure, DONE_MAX));
                out.jobs.push(Job::Save { ticket: 1, is_durable: true });
            }
        }

        fn deadline(&self) -> Option<Time> {
            (!self.has_begun).then_some(Time::ZERO)
        }
    }

    #[test]
    fn the_end_of_a_save_is_heard_however_many_results_wait() {
        let node = started();
        let shared = Arc::clone(&node.running().expect("started").shared);
        let (heard, hears) = bounded(1);
        let ((_inbox, inbox), (_orders, orders)) = (bounded::<Done>(1), bounded(1));
        let ((_nudge, nudges), (alive, life)) = (bounded(1), bounded(0));
        let ears = Ears { inbox, orders, nudges };
        std::thread::scope(|scope| {
            scope.spawn(|| Pump::new(Crowding { has_begun: false, heard }, ears, &shared, Some, Some).run(&life));
            let saved = hears.recv_timeout(PATIENCE);
            drop::<Sender<Infallible>>(alive);
            assert_eq!(saved, Ok(Done::Saved { ticket: 1, result: Ok(()) }));
        });
    }

    /// Maintenance asks, the counters answer, the places know: how near a peer is, and that it has sent something.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "real nodes run in real time")]
    fn what_the_counters_say_of_a_link_reaches_its_place() {
        let set = [("dial.period", "100ms"), ("ping.period", "1s"), ("ping.accept_period", "100ms"), ("ping.timeout", "5s")];
        let (node, peer) = (built_with(&set), built_with(&set));
        node.start().and_then(|()| peer.start()).expect("free ports");
        let link = peer.connect(&node.listen_addresses()[0].to_string(), PATIENCE).expect("a link");
        peer.send(link, ChannelId(0x10), b"hello").expect("sent");
        let shared = &node.running().expect("started").shared;
        let begin = Instant::now();
        loop {
            let seen = shared.pool.look().slots().iter().find(|slot| slot.is_open()).cloned();
            if let Some(slot) = seen
                && slot.min_rtt.is_some_and(|rtt| rtt < PATIENCE)
                && slot.messages_in == 1
                && slot.useful[Use::Messages as usize].is_some()
            {
                assert_eq!(slot.useful[Use::Verdict as usize], None);
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "nothing was measured");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
