package bowline_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

func TestKindsOfEventsHaveTheirQueues(t *testing.T) {
	node := unstarted(t, aConfig(t))
	news := must(node.Queue("news"))(t)
	check(t, news.BindEvents(bowline.KindDialFailed, bowline.KindAddrAdded))
	for _, wrong := range []bowline.EventKind{0, 1, 12, 63, 64, 1000} {
		if err := news.BindEvents(wrong); !errors.Is(err, bowline.ErrInvalid) {
			t.Errorf("kind %d: %v", wrong, err)
		}
	}
	check(t, node.Start())
	if err := news.BindEvents(bowline.KindSurplus); !errors.Is(err, bowline.ErrState) {
		t.Error(err)
	}
	check(t, node.Dial(netip.MustParseAddrPort("127.0.0.1:1"), nil, 5))
	if failed := next[*bowline.DialFailed](t, news.Events()); failed.Tag != 5 || failed.Reason.String() == "" {
		t.Errorf("%+v", failed)
	}
	check(t, node.AddAddress("127.0.0.1:9"))
	for {
		// The dialed address is known, too.
		if added := next[*bowline.AddrAdded](t, news.Events()); strings.HasSuffix(added.Address, "127.0.0.1:9") {
			break
		}
	}
}

func TestChannelsAreCounted(t *testing.T) {
	p := aPair(t)
	check(t, p.bob.Send(within(t), p.toAlice, lane, []byte("hello")))
	check(t, p.bob.Send(within(t), p.toAlice, lane, nil))
	hears(t, p.alice, "hello", "")
	if got := must(p.alice.ChannelMetrics(lane))(t); got != (bowline.ChannelMetrics{MsgsIn: 2, BytesIn: 5}) {
		t.Errorf("%+v", got)
	}
	if sent := must(p.bob.ChannelMetrics(lane))(t); sent != (bowline.ChannelMetrics{MsgsOut: 2, BytesOut: 5}) {
		t.Errorf("%+v", sent)
	}
	if err := second(p.bob.ChannelMetrics(other)); !errors.Is(err, bowline.ErrNoChannel) {
		t.Error(err)
	}
	total := must(p.bob.Metrics())(t)
	if total.MsgsOut != 2 || total.PayloadOut != 5 || total.Turns == 0 || total.AddrsKnown == 0 {
		t.Errorf("%+v", total)
	}
	text := must(p.alice.MetricsText())(t)
	if !strings.Contains(text, "bowline_") || !strings.Contains(text, `channel="0x20",name="lane"`) || !strings.HasSuffix(text, "# EOF\n") {
		t.Error(text)
	}
	if most := must(p.alice.MemoryMax())(t); most < 1<<20 {
		t.Error(most)
	}
}

// Only the newest of what waits is worth sending.
func TestAChannelMayForgetWhatIsOld(t *testing.T) {
	config := func() *bowline.Config {
		config := aConfig(t)
		check(t, config.AddChannel(bowline.ChannelDesc{ID: other, Name: "heads", Conflate: true, NoRequests: true, RecvQueueBytes: 64 << 10, MaxMessage: 8192}))
		check(t, config.AddChannel(bowline.ChannelDesc{ID: 0x22, Name: "news", DropOldest: true, SendQueueMsgs: 8, RecvQueueBytes: 64 << 10, MaxMessage: 8192}))
		return config
	}
	p := joined(t, started(t, config()), started(t, config()))
	for _, channel := range []bowline.Channel{other, 0x22} {
		eventually(t, "something gives way", func() bool {
			before := must(p.bob.Metrics())(t).MsgsDisplaced
			for range 50 {
				check(t, p.bob.TrySend(p.toAlice, channel, make([]byte, 8192)))
			}
			return must(p.bob.Metrics())(t).MsgsDisplaced > before+10
		})
	}
	if err := second(p.bob.Request(within(t), p.toAlice, other, nil)); err == nil {
		t.Error("a channel without requests took one")
	}
}

func TestNotesAndKnownPeers(t *testing.T) {
	p := aPair(t)
	id := must(p.alice.ID())(t)
	known := func() bowline.KnownPeer {
		for _, peer := range must(p.bob.KnownPeers())(t) {
			if peer.ID == id {
				return peer
			}
		}
		return bowline.KnownPeer{}
	}
	eventually(t, "alice is known", func() bool { return known().Links == 1 })
	if before := known(); before.Note != nil || before.FirstSeen == 0 || before.LastSeen == 0 {
		t.Errorf("%+v", before)
	}
	check(t, p.bob.NotePeer(id, []byte("met in the park")))
	eventually(t, "the note is kept", func() bool { return string(known().Note) == "met in the park" })
	address := addressOf(t, p.alice)
	check(t, p.bob.NoteAddress(address, []byte("a good one")))
	noted := func() (note string) {
		for _, info := range must(p.bob.KnownAddresses())(t) {
			if info.Addr.String() == address {
				note = string(info.Note)
			}
		}
		return note
	}
	eventually(t, "the address's note is kept", func() bool { return noted() == "a good one" })
	check(t, p.alice.Close())
	eventually(t, "a failure or an end is known", func() bool { return known().Links == 0 })
	check(t, p.bob.NotePeer(id, nil))
	eventually(t, "the note is gone", func() bool { return known().Note == nil })
}

func TestKeysThatAreLiveAreToldFromOthers(t *testing.T) {
	node := started(t, aConfig(t))
	live := 0
	for _, key := range bowline.Keys() {
		value := must(node.Get(key.Name))(t)
		err := node.Set(key.Name, value)
		if key.Live == errors.Is(err, bowline.ErrReadOnly) {
			t.Errorf("%s: live is %v, %v", key.Name, key.Live, err)
		}
		if key.Live {
			live++
		}
	}
	if live == 0 {
		t.Error("no key is live")
	}
}
