//! Which dialect this node speaks: bowline/1 on every connection. The engine asks here for sessions; whoever assembles a node
//! gives it one.

use super::engine::Dialects;
use crate::base::channel::Channel;
use crate::base::peer::PeerId;
use crate::session::bowline::Bowline;
use crate::session::dialect::{Context, Dialect};
use crate::session::local::Local;
use std::net::SocketAddr;
use std::sync::Arc;

/// Makes bowline/1 sessions.
pub struct Native(Arc<Local>);

impl Native {
    pub fn new(local: Arc<Local>) -> Native {
        Native(local)
    }
}

impl Dialects for Native {
    fn dial(&mut self, cx: &mut Context<'_>, remote: SocketAddr, expect: Option<PeerId>) -> Box<dyn Dialect> {
        Box::new(Bowline::dial(Arc::clone(&self.0), remote, expect, cx))
    }

    fn accept(&mut self, cx: &mut Context<'_>, remote: SocketAddr) -> Box<dyn Dialect> {
        Box::new(Bowline::accept(Arc::clone(&self.0), remote, cx.now))
    }

    fn channels(&self) -> &[Channel] {
        &self.0.channels
    }

    fn own(&self) -> PeerId {
        self.0.profile.identity.id()
    }

    fn listens(&mut self, at: &[SocketAddr]) -> Result<(), String> {
        self.0 = Arc::new(self.0.listening_at(at).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn application_versions(&self) -> &[u32] {
        &self.0.profile.hello.application_versions
    }
}
