//! Shares of one link's bytes by weight: who of those that have something to send may send how much of the next record. Start-time fair
//! queueing (Goyal, Vin, Cheng 1996): a clock counts the bytes that weight 1 is due, each lane has a mark of what it has had by the same
//! clock, and what it is short of the clock is its balance. Pure arithmetic; `session/lanes.rs` asks it for every record.
//!
//! - Exact over time: whoever sends more than its balance is in debt and waits until the clock has passed its mark, also while it is idle.
//! - Nothing is saved up: whoever has nothing to send, or may not, loses its balance.
//! - Whoever comes without debt may send at once, if only a piece.
//! - Ageing: no lane counts for less than `SHARE_MIN` of the weights that are ready with it. So a lane in debt by one piece of 1,024
//!   bytes waits for 1,024 x 1,024 bytes or 17 full records at most, whatever the priorities; beside one lane of weight 255 an exact
//!   share of weight 1 is over that line, and waits for 4. No other rule of ageing is needed.

/// A lane gets at least one part in so many.
pub const SHARE_MIN: u64 = 1_024;
/// Bits of a byte's fraction in marks: 2^-32 bytes, so that what is lost to rounding is a byte in a gigabyte.
const FRACTION: u32 = 32;

#[derive(Debug)]
struct Share {
    weight: u64,
    /// Bytes per weight that it has had, or has let go by.
    mark: u128,
}

/// See the file's head. Sets of lanes are bits.
#[derive(Debug)]
pub struct Shares {
    clock: u128,
    /// The least that a weight counts for among those of the last round.
    weight_min: u64,
    lanes: Vec<Share>,
}

impl Shares {
    /// Lanes with these weights, at most 64.
    pub fn new(weights: impl Iterator<Item = u8>) -> Shares {
        let share = |weight: u8| Share { weight: u64::from(weight.max(1)), mark: 0 };
        Shares { clock: 0, weight_min: 1, lanes: weights.map(share).collect() }
    }

    /// A lane begins or ceases to have something to send: its balance is gone, its debt is not.
    pub fn forfeit(&mut self, lane: usize) {
        let share = &mut self.lanes[lane];
        share.mark = share.mark.max(self.clock);
    }

    /// Shares `room` bytes out between the lanes of `set`, of which all have something to send. Returns those that may.
    pub fn hand_out(&mut self, set: u64, room: usize) -> u64 {
        let weights: u64 = bits(set).map(|lane| self.lanes[lane].weight).sum();
        self.weight_min = weights.div_ceil(SHARE_MIN);
        // If all are in debt, it is to nobody.
        let first = bits(set).map(|lane| self.lanes[lane].mark).min().unwrap_or(0);
        self.clock = self.clock.max(first);
        // What was left to somebody in an earlier round is a part of the room: else balances would grow without bound.
        let owed = bits(set).fold(0_usize, |sum, lane| sum.saturating_add(self.balance(lane)));
        let weights: u64 = bits(set).map(|lane| self.weight(lane)).sum();
        self.clock += u128::from(parts(room.saturating_sub(owed), weights.max(1)));
        bits(set).filter(|lane| self.lanes[*lane].mark <= self.clock).fold(0, |set, lane| set | 1 << lane)
    }

    /// Bytes that a lane is due.
    pub fn balance(&self, lane: usize) -> usize {
        let due = self.clock.saturating_sub(self.lanes[lane].mark) * u128::from(self.weight(lane));
        usize::try_from(due >> FRACTION).unwrap_or(usize::MAX)
    }

    /// A lane has sent so many bytes.
    pub fn charge(&mut self, lane: usize, bytes: usize) {
        let parts = parts(bytes, self.weight(lane));
        self.lanes[lane].mark += u128::from(parts);
    }

    /// A lane has sent so many bytes that nobody else wanted to send: it owes nobody, and others' debts to it are paid.
    pub fn pass(&mut self, lane: usize, bytes: usize) {
        let share = &mut self.lanes[lane];
        self.clock = self.clock.max(share.mark) + u128::from(parts(bytes, share.weight));
        share.mark = self.clock;
    }

    /// Nobody has anything to send: nobody is owed anything.
    pub fn settle(&mut self) {
        self.clock = self.lanes.iter().map(|share| share.mark).fold(self.clock, u128::max);
    }

    fn weight(&self, lane: usize) -> u64 {
        self.lanes[lane].weight.max(self.weight_min)
    }
}

/// `bytes` for a weight of 1 out of `weight`. What one record holds is far from 2^32 bytes.
const fn parts(bytes: usize, weight: u64) -> u64 {
    ((bytes as u64) << FRACTION) / weight
}

/// The numbers of the bits that are set.
pub fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOM: usize = 65_000;

    /// One record: each that may takes what it is due, but a piece at least.
    fn record(shares: &mut Shares, set: u64, sent: &mut [usize]) {
        let mut room = ROOM;
        while room > 0 {
            for lane in bits(shares.hand_out(set, room)) {
                let bytes = shares.balance(lane).max(1_000).min(room);
                shares.charge(lane, bytes);
                sent[lane] += bytes;
                room -= bytes;
            }
        }
    }

    #[test]
    fn bytes_follow_weights_exactly() {
        let mut shares = Shares::new([1, 2, 5, 255].into_iter());
        let mut sent = [0; 4];
        (0..1_000).for_each(|_| record(&mut shares, 0b1111, &mut sent));
        for (lane, weight) in [1, 2, 5, 255].into_iter().enumerate() {
            let due = 1_000 * ROOM * weight / 263;
            assert!(sent[lane].abs_diff(due) <= ROOM, "{lane}: {} of {due}", sent[lane]);
            assert!(lane == 3 || sent[lane].abs_diff(due) <= 1_001, "{lane}: {} of {due}", sent[lane]);
        }
    }

    #[test]
    fn who_was_idle_has_saved_nothing_and_who_owes_still_does() {
        let mut shares = Shares::new([1, 1].into_iter());
        let mut sent = [0; 2];
        (0..10).for_each(|_| record(&mut shares, 0b01, &mut sent));
        shares.forfeit(1);
        record(&mut shares, 0b11, &mut sent);
        assert_eq!(sent[1], ROOM / 2, "half of one record and nothing of the ten before");
        shares.charge(1, 3 * ROOM);
        for _ in 0..2 {
            shares.forfeit(1);
            record(&mut shares, 0b11, &mut sent);
            assert_eq!(sent[1], ROOM / 2);
        }
    }

    #[test]
    fn what_nobody_else_wanted_costs_nothing() {
        let mut shares = Shares::new([1, 255].into_iter());
        shares.pass(0, 100 * ROOM);
        shares.forfeit(1);
        let mut sent = [0; 2];
        record(&mut shares, 0b11, &mut sent);
        assert_eq!(sent[0], 1_000, "it may go on at once");
        shares.settle();
        record(&mut shares, 0b11, &mut sent);
        assert_eq!(sent[0], 2_000, "what it owed is forgotten once nobody waits");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// No lane is further from its share than a piece for each lane.
        #[test]
        fn any_weights_are_exact_to_a_piece_each_and_nobody_waits_longer_than_ageing_allows(weights in prop::collection::vec(1_u8.., 2..40)) {
            const RECORDS: usize = 200;
            const PIECE: usize = 1_000;
            let count = weights.len();
            let mut shares = Shares::new(weights.iter().copied());
            let (mut sent, mut since) = (vec![0; count], vec![0; count]);
            for _ in 0..RECORDS {
                let before = sent.clone();
                record(&mut shares, (1 << count) - 1, &mut sent);
                for (lane, (since, (sent, before))) in since.iter_mut().zip(sent.iter().zip(before)).enumerate() {
                    *since = if *sent > before { 0 } else { *since + 1 };
                    prop_assert!(*since <= (PIECE as u64 * SHARE_MIN).div_ceil(ROOM as u64) + 1, "lane {lane} of {weights:?}");
                }
            }
            let least = weights.iter().map(|weight| u64::from(*weight)).sum::<u64>().div_ceil(SHARE_MIN);
            let aged = |lane: usize| u64::from(weights[lane]).max(least) as usize;
            let all: usize = (0..count).map(aged).sum();
            for (lane, sent) in sent.into_iter().enumerate() {
                let due = RECORDS * ROOM * aged(lane) / all;
                prop_assert!(sent.abs_diff(due) <= count * PIECE, "lane {lane}: {sent} of {due}, {weights:?}");
            }
        }
    }
}
