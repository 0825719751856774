//! The workers of a simulated host: what lies on each one's desk, and its turn, as `node/pump.rs` gives it to a thread. It decides nothing;
//! `world.rs` says whose turn it is.

use super::host::{Actor, Host};
use super::net::Network;
use super::trace::What;
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::bus::command::Command;
use crate::bus::outbox::{Answered, Done, Job, Notice, Outbox};
use crate::bus::report::{Control, Report};
use crate::pool::lists::Standing;
use crate::workers::machine::Machine;
use crate::workers::word::Said;
use crate::workers::{exchange, maintenance};
use crossbeam_channel::{Receiver, TrySendError};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// What a worker has to do beside its inbox.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub is_nudged: bool,
    pub done: VecDeque<Done>,
    /// Orders that found the reactor's channel full: a thread would wait there, so the worker does nothing else.
    pub held: VecDeque<Command>,
}

/// What a step of a host asks of the world.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub jobs: Vec<Job>,
    pub log: Vec<(log::Level, &'static str, String)>,
    /// The end of a link that welcome heard of.
    pub ended: Option<End>,
}

/// How a link ended, as the reactor reported it.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub link: LinkId,
    pub remote: Option<SocketAddr>,
    pub reason: CloseReason,
    pub told: Option<CloseReason>,
    /// The operator trusts who was there.
    pub is_trusted: bool,
}

impl Host {
    /// A worker's turn, as in `node/pump.rs`: one input, nudge or deadline.
    pub(super) fn work(&mut self, actor: Actor, network: &mut Network) -> Asked {
        let now = self.clock(network.now());
        if !self.send_held(actor) {
            return Asked::default();
        }
        let mut out = Outbox::default();
        let mut ended = None;
        let desk = &mut self.desks[actor as usize];
        // A thread waits for all of these at once and takes any that is there.
        let is_nudged = desk.is_nudged && self.rng.percent(50);
        match actor {
            Actor::Welcome => match self.reports.try_recv() {
                Ok(report) => {
                    ended = self.note_report(now, &report);
                    self.welcome.handle(now, report.into(), &mut self.pool, &mut out);
                }
                Err(_) => self.welcome.wake(now, &mut self.pool, &mut out),
            },
            Actor::Exchange => match if is_nudged { None } else { exchange_input(desk, &self.controls) } {
                Some(input) => self.exchange.handle(now, input, &mut self.pool, &mut out),
                None => {
                    desk.is_nudged = false;
                    self.exchange.wake(now, &mut self.pool, &mut out);
                }
            },
            Actor::Maintenance => match if is_nudged { None } else { desk.done.pop_front() } {
                Some(done) => self.maintenance.handle(now, maintenance::Input::Done(done), &mut self.pool, &mut out),
                None => {
                    desk.is_nudged = false;
                    self.maintenance.wake(now, &mut self.pool, &mut out);
                }
            },
            Actor::Reactor | Actor::Application | Actor::Rogue => return Asked::default(),
        }
        if let Some(shut) = self.pool.take_shut(now) {
            self.engine().door().publish(shut);
        }
        let what = match actor {
            Actor::Welcome => What::Welcomed,
            Actor::Maintenance => What::Maintained,
            _ => What::Exchanged,
        };
        network.note(self.id, what, LinkId::NONE, out.commands.len() as u64);
        Asked { ended, ..self.carry_out(actor, out) }
    }

    /// A rogue does what it does by itself.
    pub(super) fn misbehave(&mut self, network: &mut Network) {
        let (now, unix_seconds) = (self.clock(network.now()), self.unix_seconds(network.now()));
        let Some(rogue) = &mut self.rogue else { return };
        let commands = rogue.act(now, unix_seconds, &self.pool, &mut network.port(self.id));
        network.note(self.id, What::Misbehaved, LinkId::NONE, commands.len() as u64);
        commands.into_iter().for_each(|command| self.order(command));
    }

    /// Keeps where a link leads, until it ends.
    fn note_report(&mut self, now: Time, report: &Report) -> Option<End> {
        match *report {
            Report::Arrived { link, from } => {
                self.remotes.insert(link, from);
                None
            }
            Report::Closed { link, reason, told, .. } => {
                let remote = self.remotes.remove(&link);
                let peer = self.pool.slots().get(link).and_then(|slot| slot.peer);
                let standing = self.pool.lists().standing(now, remote.map(|at| at.ip()), peer.as_ref());
                Some(End { link, remote, reason, told, is_trusted: standing == Standing::Trusted })
            }
            _ => None,
        }
    }

    fn carry_out(&mut self, actor: Actor, out: Outbox) -> Asked {
        let Outbox { mut commands, mut jobs, notices, answers, nudge_maintenance, nudge_exchange, log, .. } = out;
        if let Some(rogue) = &mut self.rogue {
            rogue.twist(&mut commands);
        }
        self.desk(actor).held.extend(commands);
        self.send_held(actor);
        let ended = answers.into_iter().filter_map(|(ticket, answered)| match answered {
            Answered::Round { links, is_stuck } => Some(Notice::RoundEnded { ticket, links, is_stuck }),
            _ => None,
        });
        for notice in notices.into_iter().chain(ended) {
            self.routes.notify(notice);
        }
        if jobs.contains(&Job::Measure) {
            jobs.retain(|job| *job != Job::Measure);
            self.finish(Actor::Maintenance, Done::Measured(self.roster.measures()));
        }
        self.desk(Actor::Maintenance).is_nudged |= nudge_maintenance;
        self.desk(Actor::Exchange).is_nudged |= nudge_exchange;
        Asked { jobs, log, ended: None }
    }

    fn desk(&mut self, actor: Actor) -> &mut Desk {
        &mut self.desks[actor as usize]
    }

    /// Sends what the worker still has for the reactor. False if the channel is full: then it must wait.
    fn send_held(&mut self, actor: Actor) -> bool {
        while let Some(command) = self.desk(actor).held.pop_front() {
            if let Command::Dial { link, to, .. } = command {
                self.remotes.insert(link, to);
            }
            match self.commands.try_send(command) {
                Ok(()) => self.bell.ring(),
                Err(TrySendError::Full(command)) => {
                    self.desk(actor).held.push_front(command);
                    return false;
                }
                // The reactor has ended; nobody is there to be ordered.
                Err(TrySendError::Disconnected(_)) => {}
            }
        }
        true
    }

    /// An order of the application or the operator. It waits its turn behind those of maintenance.
    pub(super) fn order(&mut self, command: Command) {
        self.desk(Actor::Maintenance).held.push_back(command);
        self.send_held(Actor::Maintenance);
    }

    /// The end of a worker's job.
    pub(super) fn finish(&mut self, actor: Actor, done: Done) {
        self.desk(actor).done.push_back(done);
    }
}

/// What exchange hears next: the end of a job, or a peer. A panic while decoding is contained in a real node; here it must be seen.
fn exchange_input(desk: &mut Desk, controls: &Receiver<Control>) -> Option<exchange::Input> {
    let done = desk.done.pop_front().map(exchange::Input::Done);
    done.or_else(|| Some(Said::decode(controls.try_recv().ok()?).into()))
}
