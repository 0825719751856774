//! Two machines open a link: signals, verdicts, refusals, goodbyes and timeouts, through the interface that the reactor uses.

mod handshake_support;

use handshake_support::{Pair, channels};

use bowline::session::dialect::{Dialect, Signal};

#[test]
fn two_sessions_open_and_agree_on_the_session() {
    for chunk in [1, 7, usize::MAX] {
        let mut pair = Pair::plain();
        pair.chunk = Box::new(move || chunk);
        let pair = pair.open();
        assert_eq!(pair.a.session.session_id(), pair.b.session.session_id());
        assert!(pair.a.session.session_id().is_some());
        let names = |signals: &[Signal]| signals.iter().map(|signal| format!("{signal:?}")[..6].to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&pair.a.signals), ["Recogn", "Introd", "Opened"]);
        assert_eq!(names(&pair.b.signals), ["Introd", "Opened"]);
        assert!((0..channels().len() + 2).all(|lane| pair.a.session.is_drained(lane)));
    }
}
