package bowline

// #include <bowline.h>
import "C"

import (
	"net/netip"
	"time"
)

// Author is who put an entry on a list.
type Author uint32

// Who may have.
const (
	ByOperator Author = C.BOWLINE_BY_OPERATOR // or the settings
	ByScore    Author = C.BOWLINE_BY_SCORE
	ByFault    Author = C.BOWLINE_BY_FAULT // it broke the protocol
)

// BanInfo is an entry of the list of bans, of the trusted, or of the greylist: an identity or a prefix.
type BanInfo struct {
	ID       PeerID       // zero for a prefix
	Prefix   netip.Prefix // zero for an identity
	By       Author
	Offences uint32 // how often it was greylisted, each time within a week of the last; 0 on the other lists
	Since    Moment // 0 on the greylist
	Until    Moment // 0: it does not end by itself
	Why      string // as the operator said
}

// Target is the entry's subject, as Ban and the others take it.
func (b BanInfo) Target() string {
	if b.Prefix.IsValid() {
		return b.Prefix.String()
	}
	return b.ID.String()
}

func banInfo(list *C.bowline_list, at C.size_t) (BanInfo, error) {
	raw := C.bowline_ban_info{struct_size: C.sizeof_bowline_ban_info}
	if err := failed("list", C.bowline_list_ban(list, at, &raw), nil); err != nil {
		return BanInfo{}, err
	}
	info := BanInfo{
		By:       Author(raw.by),
		Offences: uint32(raw.offences),
		Since:    Moment(raw.since_ns),
		Until:    Moment(raw.until_ns),
		Why:      C.GoString(&raw.why[0]),
	}
	switch raw.kind {
	case C.BOWLINE_SUBJECT_PEER:
		info.ID = peerID(&raw.id)
	case C.BOWLINE_SUBJECT_NET:
		info.Prefix = netip.PrefixFrom(addrPort(&raw.addr).Addr(), int(raw.prefix_len))
	}
	return info, nil
}

// Ban bans a peer id, an address, or a prefix such as "192.0.2.0/24", for so long or [Forever]. Links are closed at once, and
// nobody is told why, which is a note for people and may be "". It answers how many links, dials and handshakes it ended.
func (n *Node) Ban(target string, lasts time.Duration, why string) (closed int, err error) {
	subject, err := cstring("ban", target)
	if err != nil {
		return 0, err
	}
	note, err := cstring("ban", why)
	if err != nil {
		return 0, err
	}
	if why == "" {
		note = nil
	}
	var count C.size_t
	err = n.c.say("ban", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return C.bowline_ban(node, subject, millis(lasts), note, &count, said)
	})
	return int(count), err
}

// Unban lifts the ban of exactly this target.
func (n *Node) Unban(target string) error {
	return n.about("unban", target, func(node *C.bowline_node, subject *C.char, said **C.bowline_error) C.bowline_result {
		return C.bowline_unban(node, subject, said)
	})
}

// Trust trusts a target (as for Ban) for so long or [Forever]: it is not greylisted, not dropped, and gets a place where there is
// none.
func (n *Node) Trust(target string, lasts time.Duration) error {
	return n.about("trust", target, func(node *C.bowline_node, subject *C.char, said **C.bowline_error) C.bowline_result {
		return C.bowline_trust(node, subject, millis(lasts), said)
	})
}

// Untrust trusts exactly this target no longer.
func (n *Node) Untrust(target string) error {
	return n.about("untrust", target, func(node *C.bowline_node, subject *C.char, said **C.bowline_error) C.bowline_result {
		return C.bowline_untrust(node, subject, said)
	})
}

// Forgive takes a peer id or an address off the greylist and forgets its offences.
func (n *Node) Forgive(target string) error {
	return n.about("forgive", target, func(node *C.bowline_node, subject *C.char, said **C.bowline_error) C.bowline_result {
		return C.bowline_forgive(node, subject, said)
	})
}

// about is a call with one text.
func (n *Node) about(op, text string, f func(*C.bowline_node, *C.char, **C.bowline_error) C.bowline_result) error {
	chars, err := cstring(op, text)
	if err != nil {
		return err
	}
	return n.c.say(op, func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return f(node, chars, said)
	})
}

// FlushGreylist empties the greylist and forgets all offences; bans stay. It answers how many it kept out.
func (n *Node) FlushGreylist() (int, error) {
	var removed C.size_t
	err := n.c.call("flush greylist", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_greylist_flush(node, &removed)
	})
	return int(removed), err
}

// Standing is what the lists say of somebody.
type Standing uint32

// What they may say.
const (
	StandingOrdinary   Standing = C.BOWLINE_STANDING_ORDINARY // nothing
	StandingTrusted    Standing = C.BOWLINE_STANDING_TRUSTED
	StandingGreylisted Standing = C.BOWLINE_STANDING_GREYLISTED
	StandingBanned     Standing = C.BOWLINE_STANDING_BANNED
)

func (s Standing) String() string {
	switch s {
	case StandingOrdinary:
		return "ordinary"
	case StandingTrusted:
		return "trusted"
	case StandingGreylisted:
		return "greylisted"
	case StandingBanned:
		return "banned"
	}
	return "unknown"
}

// Standing is what the lists say of an identity, an address, or an identity at an address. A zero one is left out.
func (n *Node) Standing(id PeerID, addr netip.Addr) (Standing, error) {
	var who *C.bowline_peer_id
	if !id.IsZero() {
		raw := id.c()
		who = &raw
	}
	var where *C.bowline_addr
	if addr.IsValid() {
		raw, err := caddr("standing", netip.AddrPortFrom(addr, 0))
		if err != nil {
			return StandingOrdinary, err
		}
		where = &raw
	}
	var standing C.uint32_t
	err := n.c.call("standing", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_standing(node, who, where, &standing)
	})
	return Standing(standing), err
}

// Bans lists every ban, of the operator and for scores.
func (n *Node) Bans() ([]BanInfo, error) {
	return listed(n.c, "bans", func(node *C.bowline_node, out **C.bowline_list) C.bowline_result {
		return C.bowline_bans_snapshot(node, out)
	}, banInfo)
}

// Trusted lists whom the node trusts.
func (n *Node) Trusted() ([]BanInfo, error) {
	return listed(n.c, "trusted", func(node *C.bowline_node, out **C.bowline_list) C.bowline_result {
		return C.bowline_trusted_snapshot(node, out)
	}, banInfo)
}

// Greylist lists whom the greylist keeps out now.
func (n *Node) Greylist() ([]BanInfo, error) {
	return listed(n.c, "greylist", func(node *C.bowline_node, out **C.bowline_list) C.bowline_result {
		return C.bowline_greylist_snapshot(node, out)
	}, banInfo)
}
