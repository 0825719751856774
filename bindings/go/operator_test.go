package bowline_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

func TestKeysAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := bowline.LoadKey(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Fatal(err)
	}
	made := must(bowline.LoadOrCreateKey(path))(t)
	defer made.Close()
	loaded := must(bowline.LoadKey(path))(t)
	defer loaded.Close()
	id := must(made.ID())(t)
	if must(loaded.ID())(t) != id {
		t.Error("another key was loaded")
	}
	if err := loaded.Save(path); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	check(t, loaded.Work(within(t), 8))
	check(t, loaded.Save(path+"2"))
	if read := must(bowline.ParsePeerID(id.String()))(t); read != id {
		t.Error(read)
	}
	if _, err := bowline.ParsePeerID("abc"); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
	var unmarshaled bowline.PeerID
	check(t, unmarshaled.UnmarshalText(must(id.MarshalText())(t)))
	if unmarshaled != id || id.IsZero() {
		t.Error(unmarshaled)
	}
}

func TestASearchForWorkEndsWithItsContext(t *testing.T) {
	key := must(bowline.GenerateKey(within(t), 4))(t)
	defer key.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	if err := key.Work(ctx, 40); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if _, err := bowline.GenerateKey(within(t), 41); !errors.Is(err, bowline.ErrInvalid) {
		t.Fatal(err)
	}
	config := aConfig(t, "network.pow_bits=30")
	if _, err := bowline.NewNode(config, key); !errors.Is(err, bowline.ErrIdentity) {
		t.Fatal(err)
	}
}

func TestListenersComeAndGo(t *testing.T) {
	p := aPair(t)
	bound := must(p.alice.ListenAdd(netip.MustParseAddrPort("127.0.0.1:0")))(t)
	if addrs := must(p.alice.ListenAddrs())(t); len(addrs) != 2 || addrs[1] != bound || bound.Port() == 0 {
		t.Errorf("%v, %v", addrs, bound)
	}
	if _, err := p.bob.ListenAdd(bound); !errors.Is(err, bowline.ErrAddrInUse) {
		t.Error(err)
	}
	if _, err := p.bob.ListenAdd(netip.AddrPort{}); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
	check(t, p.alice.ListenRemove(bound))
	if err := p.alice.ListenRemove(bound); !errors.Is(err, bowline.ErrNotFound) {
		t.Error(err)
	}
	if again := must(p.bob.ListenAdd(bound))(t); again != bound {
		t.Error(again)
	}
	if peers := must(p.alice.Peers())(t); len(peers) != 1 {
		t.Errorf("%v", peers)
	}
}

func TestListsOfTheOperator(t *testing.T) {
	p := aPair(t)
	id := must(p.bob.ID())(t)
	if standing := must(p.alice.Standing(id, netip.Addr{}))(t); standing != bowline.StandingOrdinary {
		t.Error(standing)
	}
	closed := must(p.alice.Ban(id.String(), time.Hour, "a test"))(t)
	next[*bowline.PeerDisconnected](t, p.alice.Events())
	must(p.alice.Ban("192.0.2.0/24", bowline.Forever, ""))(t)
	bans := must(p.alice.Bans())(t)
	if closed != 1 || len(bans) != 2 {
		t.Fatalf("%d links closed, %+v", closed, bans)
	}
	for _, ban := range bans {
		switch ban.Target() {
		case id.String():
			left := time.Until(ban.Until.Time())
			if ban.ID != id || ban.Why != "a test" || ban.By != bowline.ByOperator || left < 50*time.Minute || left > time.Hour {
				t.Errorf("%+v, %v left", ban, left)
			}
		case "192.0.2.0/24":
			if ban.Until != 0 || !ban.ID.IsZero() || ban.Since == 0 {
				t.Errorf("%+v", ban)
			}
		default:
			t.Errorf("%+v", ban)
		}
	}
	inside := netip.MustParseAddr("192.0.2.77")
	if standing := must(p.alice.Standing(bowline.PeerID{}, inside))(t); standing != bowline.StandingBanned || standing.String() != "banned" {
		t.Error(standing)
	}
	if err := p.alice.Trust("192.0.2.1", bowline.Forever); !errors.Is(err, bowline.ErrBanned) {
		t.Error(err)
	}
	check(t, p.alice.Unban("192.0.2.0/24"))
	if err := p.alice.Unban("192.0.2.0/24"); !errors.Is(err, bowline.ErrNotFound) {
		t.Error(err)
	}
	check(t, p.alice.Trust("2001:db8::/32", time.Minute))
	trusted := must(p.alice.Trusted())(t)
	if len(trusted) != 1 || trusted[0].Prefix != netip.MustParsePrefix("2001:db8::/32") {
		t.Errorf("%+v", trusted)
	}
	check(t, p.alice.Untrust("2001:db8::/32"))
	// A time that is over is no time, and never for ever.
	if _, err := p.alice.Ban("192.0.2.9", -time.Second, ""); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
	if err := p.alice.Trust("192.0.2.9", time.Until(time.Unix(0, 0))); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
	if _, err := p.alice.Ban("nobody", time.Hour, ""); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
	if len(must(p.alice.Greylist())(t)) != 0 || must(p.alice.FlushGreylist())(t) != 0 {
		t.Error("somebody is on the greylist")
	}
	if err := p.alice.Forgive(id.String()); !errors.Is(err, bowline.ErrNotFound) {
		t.Error(err)
	}
}

func TestControlsOfTheOperator(t *testing.T) {
	p := aPair(t)
	check(t, p.alice.Pause())
	if !p.alice.IsPaused() {
		t.Error("not paused")
	}
	check(t, p.alice.Resume())
	if p.alice.IsPaused() {
		t.Error("still paused")
	}
	round := must(p.alice.Maintain(within(t)))(t)
	if round.Links != 1 {
		t.Errorf("%+v", round)
	}
	check(t, p.alice.MaintainSoon())
	must(p.alice.DialSeeds())(t)
	check(t, p.alice.SetBandwidth(1<<20, 1<<20))
	check(t, p.alice.SetPeerBandwidth(p.toBob, 1<<20, 0))
	check(t, p.alice.SetWeight(p.toBob, 2))
	if err := p.alice.SetWeight(p.toBob, 0); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
	// The node may have asked by itself just now.
	if asked, err := p.bob.AskAddresses(0); asked != p.toAlice && !errors.Is(err, bowline.ErrInvalid) {
		t.Errorf("asked %d: %v", asked, err)
	}
	if _, err := p.bob.AskAddresses(12345); !errors.Is(err, bowline.ErrPeerGone) {
		t.Error(err)
	}
	if value := must(p.alice.Get("network.name"))(t); value != "go-tests" {
		t.Error(value)
	}
	if err := p.alice.Set("network.name", "another"); !errors.Is(err, bowline.ErrReadOnly) {
		t.Error(err)
	}
	check(t, p.alice.Set("pool.trusted_only", "false"))
	check(t, p.alice.Save(within(t)))
	if metrics := must(p.alice.Metrics())(t); metrics.PeersIn != 1 || metrics.AcceptsTotal != 1 || metrics.Uptime <= 0 || metrics.BytesIn == 0 {
		t.Errorf("%+v", metrics)
	}
}

func TestTheAddressBook(t *testing.T) {
	p := aPair(t)
	check(t, p.bob.Pause()) // nobody dials it meanwhile
	check(t, p.bob.AddAddress("192.0.2.1:9732"))
	check(t, p.bob.NoteAddress("192.0.2.1:9732", []byte("a note")))
	check(t, p.bob.NoteAddress("192.0.2.1:9732", nil))
	check(t, p.bob.NotePeer(must(p.alice.ID())(t), []byte("a friend")))
	known := must(p.bob.KnownAddresses())(t)
	states := map[string]bowline.AddrState{}
	for _, info := range known {
		states[info.Addr.String()] = info.State
		if info.Source == "" {
			t.Errorf("%+v", info)
		}
	}
	if len(known) != 2 || states[addressOf(t, p.alice)] != bowline.AddrConnected || states["192.0.2.1:9732"] != bowline.AddrCandidate {
		t.Fatalf("%+v", known)
	}
	lines := must(p.bob.Export())(t)
	carol := started(t, aConfig(t))
	if imported := must(carol.Import(lines))(t); imported.Addrs != 2 {
		t.Errorf("%+v of\n%s", imported, lines)
	}
	if _, err := carol.Import([]byte("no line of mine\n")); !errors.Is(err, bowline.ErrInvalid) || !strings.Contains(err.Error(), "1") {
		t.Error(err)
	}
	check(t, p.bob.RemoveAddress("192.0.2.1:9732"))
	if err := p.bob.RemoveAddress("192.0.2.1:9732"); !errors.Is(err, bowline.ErrNotFound) {
		t.Error(err)
	}
	if healthy := must(p.bob.HealthyAddresses(false))(t); len(healthy) != 1 || !strings.Contains(healthy[0], addressOf(t, p.alice)) {
		t.Error(healthy)
	}
	if must(p.bob.HealthyAddresses(true))(t) == nil {
		t.Error("no list")
	}
	must(p.bob.Discover(within(t), p.toAlice))(t)
	check(t, p.bob.AddPersistent(addressOf(t, p.alice)))
	check(t, p.bob.RemovePersistent(addressOf(t, p.alice)))
}

func TestNoticesOfTheNode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	check(t, os.WriteFile(path, bytes.Repeat([]byte("no store of mine "), 1000), 0o600))
	node := started(t, aConfig(t, "store.path="+path))
	if aside := next[*bowline.StoreSetAside](t, node.Events()); !strings.Contains(aside.Text, path) {
		t.Errorf("%+v", aside)
	}
}

func TestAStallIsToldOf(t *testing.T) {
	p := aPair(t, "channel.stall_after=1s")
	// More than is ever outside of the library's queue.
	for range 300 {
		check(t, p.bob.Send(within(t), p.toAlice, lane, make([]byte, 100)))
	}
	time.Sleep(1500 * time.Millisecond)
	stalled := next[*bowline.ChannelStalled](t, p.alice.Events())
	if stalled.Peer != p.toBob || stalled.Channel != lane || stalled.Outbound || stalled.Waited < time.Second || stalled.Messages == "" {
		t.Errorf("%+v", stalled)
	}
	resumed := next[*bowline.ChannelResumed](t, p.alice.Events())
	if resumed.Peer != p.toBob || resumed.Channel != lane || resumed.Lasted <= 0 {
		t.Errorf("%+v", resumed)
	}
}

func TestABannedPeerIsRefused(t *testing.T) {
	alice, bob := started(t, aConfig(t)), started(t, aConfig(t))
	must(alice.Ban(must(bob.ID())(t).String(), bowline.Forever, ""))(t)
	if _, err := bob.Connect(within(t), addressOf(t, alice)); err == nil {
		t.Error("a banned peer has a link")
	}
	refused := next[*bowline.PeerRefused](t, alice.Events())
	if !errors.Is(refused.Err, bowline.ErrBanned) || refused.Reason == 0 || refused.ID != must(bob.ID())(t) || !strings.HasPrefix(refused.Address, "127.0.0.1:") {
		t.Errorf("%+v", refused)
	}
	if _, err := alice.Connect(within(t), addressOf(t, bob)); !errors.Is(err, bowline.ErrBanned) {
		t.Error(err)
	}
}
