package bowline_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

func TestTwoNodesExchangeMessages(t *testing.T) {
	p := aPair(t)
	check(t, p.bob.Send(within(t), p.toAlice, lane, []byte("hello")))
	message := next[*bowline.Message](t, p.alice.Events())
	if string(message.Data) != "hello" || message.Peer != p.toBob || message.Channel != lane || message.Time == 0 {
		t.Fatalf("%+v", message)
	}
	if age := bowline.Now().Sub(message.Time); age < 0 || age > patience {
		t.Fatalf("it came %v ago", age)
	}
	check(t, p.alice.Send(within(t), p.toBob, lane, []byte("and to you")))
	if got := next[*bowline.Message](t, p.bob.Events()); string(got.Data) != "and to you" || got.Peer != p.toAlice {
		t.Fatalf("%+v", got)
	}
}

func TestEmptyAndNilAndOddSlices(t *testing.T) {
	p := aPair(t)
	odd := struct {
		to  *int // cgo must not mind that the bytes lie beside a pointer of Go's
		buf [8]byte
	}{to: new(int), buf: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}}
	large := bytes.Repeat([]byte("bowline "), 1<<17) // 1 MiB, the most
	sent := [][]byte{nil, {}, odd.buf[3:3], odd.buf[2:4], large}
	go func() {
		for _, data := range sent {
			_ = p.bob.Send(context.Background(), p.toAlice, lane, data)
		}
	}()
	for at, data := range sent {
		if got := next[*bowline.Message](t, p.alice.Events()); !bytes.Equal(got.Data, data) || got.Data == nil {
			t.Fatalf("number %d has %d bytes, sent were %d", at, len(got.Data), len(data))
		}
	}
	if err := p.bob.Send(within(t), p.toAlice, lane, append(large, 1)); !errors.Is(err, bowline.ErrTooBig) {
		t.Fatalf("more than the channel allows: %v", err)
	}
}

func TestBroadcastReachesAllButOne(t *testing.T) {
	p := aPair(t)
	carol := started(t, aConfig(t))
	must(carol.Connect(within(t), addressOf(t, p.alice)))(t)
	toCarol := next[*bowline.PeerConnected](t, p.alice.Events()).Peer
	if count := must(p.alice.Broadcast(lane, []byte("all"), bowline.BroadcastOptions{}))(t).Queued; count != 2 {
		t.Fatalf("queued for %d", count)
	}
	if count := must(p.alice.Broadcast(lane, []byte("not carol"), bowline.BroadcastOptions{Except: toCarol}))(t).Queued; count != 1 {
		t.Fatalf("queued for %d", count)
	}
	msg := must(bowline.NewMsg([]byte("shared")))(t)
	if count := must(p.alice.BroadcastMsg(lane, msg, bowline.BroadcastOptions{}))(t).Queued; count != 2 {
		t.Fatalf("queued for %d", count)
	}
	check(t, p.alice.SendMsg(within(t), toCarol, lane, msg))
	if msg.Len() != 6 || string(msg.Bytes()) != "shared" {
		t.Fatal(msg.Len(), msg.Bytes())
	}
	check(t, msg.Close())
	check(t, msg.Close())
	if _, err := p.alice.BroadcastMsg(lane, msg, bowline.BroadcastOptions{}); !errors.Is(err, bowline.ErrClosed) || msg.Len() != 0 || msg.Bytes() != nil {
		t.Fatalf("a closed message: %v", err)
	}
	hears(t, p.bob, "all", "not carol", "shared")
	hears(t, carol, "all", "shared", "shared")
	if _, err := p.alice.Broadcast(other, nil, bowline.BroadcastOptions{}); !errors.Is(err, bowline.ErrNoChannel) {
		t.Fatalf("a channel that is none: %v", err)
	}
}

func hears(t *testing.T, node *bowline.Node, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if got := next[*bowline.Message](t, node.Events()); string(got.Data) != text {
			t.Fatalf("heard %q, not %q", got.Data, text)
		}
	}
}

func TestEventsTellALinksStory(t *testing.T) {
	p := aPair(t)
	if up := next[*bowline.PeerConnected](t, p.bob.Events()); !up.Outbound || up.Peer != p.toAlice {
		t.Fatalf("%+v", up)
	}
	check(t, p.bob.Send(within(t), p.toAlice, lane, []byte("last words")))
	next[*bowline.Message](t, p.alice.Events())
	check(t, p.bob.Disconnect(p.toAlice, 0))
	down := next[*bowline.PeerDisconnected](t, p.alice.Events())
	if down.Peer != p.toBob || down.Text == "" || down.Reason == 0 || down.Err == nil {
		t.Fatalf("%+v", down)
	}
	next[*bowline.PeerDisconnected](t, p.bob.Events())
	for what, err := range map[string]error{
		"send":       p.bob.Send(within(t), p.toAlice, lane, nil),
		"disconnect": p.bob.Disconnect(p.toAlice, 0),
		"peer":       second(p.bob.Peer(p.toAlice)),
		"request":    second(p.bob.Request(within(t), p.toAlice, lane, nil)),
		"weight":     p.bob.SetWeight(p.toAlice, 2),
	} {
		if !errors.Is(err, bowline.ErrPeerGone) {
			t.Errorf("%s on a peer that is gone: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestDialEndsInOneEvent(t *testing.T) {
	alice, bob := started(t, aConfig(t)), started(t, aConfig(t))
	to := must(alice.ListenAddrs())(t)[0]
	id := must(alice.ID())(t)
	check(t, bob.Dial(to, &id, 77))
	if up := next[*bowline.PeerConnected](t, bob.Events()); up.Tag != 77 {
		t.Fatalf("%+v", up)
	}
	closed := netip.MustParseAddrPort("127.0.0.1:1")
	check(t, bob.Dial(closed, nil, 78))
	if failed := next[*bowline.DialFailed](t, bob.Events()); failed.Tag != 78 || failed.Err == nil || failed.Address != closed.String() {
		t.Fatalf("%+v", failed)
	}
	for _, wrong := range []netip.AddrPort{{}, netip.MustParseAddrPort("[fe80::1%eth0]:1")} {
		if err := bob.Dial(wrong, nil, 0); !errors.Is(err, bowline.ErrInvalid) {
			t.Errorf("dial %v: %v", wrong, err)
		}
	}
}

func TestConnectSaysWhyNot(t *testing.T) {
	node := started(t, aConfig(t))
	var failure *bowline.Error
	_, err := node.Connect(within(t), "127.0.0.1:1")
	if !errors.Is(err, bowline.ErrRefused) || !errors.As(err, &failure) || failure.Op != "connect" || failure.Text == "" {
		t.Fatalf("nobody listens there: %v", err)
	}
	if !failure.Code.Retryable() || !failure.Code.ConcernsPeer() || failure.Code.Fatal() || failure.Code.Name() != "BOWLINE_E_REFUSED" {
		t.Fatalf("%+v", failure)
	}
	if _, err := node.Connect(within(t), addressOf(t, node)); !errors.Is(err, bowline.ErrSelf) {
		t.Fatalf("itself: %v", err)
	}
	if _, err := node.Connect(within(t), "no address"); !errors.Is(err, bowline.ErrInvalid) {
		t.Fatalf("no address: %v", err)
	}
	if _, err := node.Connect(within(t), "127.0.0.1:1\x00"); !errors.Is(err, bowline.ErrInvalid) || !strings.Contains(err.Error(), "NUL") {
		t.Fatalf("a NUL: %v", err)
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	node := started(t, aConfig(t))
	// Nobody answers here: the listener's backlog takes the connection, and no handshake follows.
	silent := silentListener(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := node.Connect(ctx, silent)
	if !errors.Is(err, bowline.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	canceled, cancel2 := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel2)
	_, err = node.Connect(canceled, silent)
	if !errors.Is(err, bowline.ErrCanceled) || !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Fatalf("it took %v", took)
	}
	if _, err = node.Connect(canceled, silent); !errors.Is(err, context.Canceled) {
		t.Fatalf("an ended context: %v", err)
	}
}

func TestPeersAreListedAndFound(t *testing.T) {
	p := aPair(t)
	id := must(p.alice.ID())(t)
	info := must(p.bob.Peer(p.toAlice))(t)
	if info.ID != id || info.Peer != p.toAlice || info.Inbound || info.Remote.String() != addressOf(t, p.alice) || info.Connected == 0 {
		t.Fatalf("%+v", info)
	}
	if !strings.Contains(info.Agent, "bowline") {
		t.Fatalf("%+v", info)
	}
	eventually(t, "its bytes are counted", func() bool {
		info := must(p.bob.Peer(p.toAlice))(t)
		return info.BytesIn > 0 && info.BytesOut > 0 && info.LastRecv > 0
	})
	if since := time.Since(info.Connected.Time()); since < 0 || since > patience {
		t.Fatalf("connected %v ago", since)
	}
	if peer := must(p.bob.FindPeer(id))(t); peer != p.toAlice {
		t.Fatal(peer)
	}
	if _, err := p.bob.FindPeer(bowline.PeerID{1}); !errors.Is(err, bowline.ErrNotFound) {
		t.Fatal(err)
	}
	// The list is a snapshot, which may be a moment older than the event.
	eventually(t, "the list has the peer", func() bool { return len(must(p.alice.Peers())(t)) > 0 })
	peers := must(p.alice.Peers())(t)
	if len(peers) != 1 || !peers[0].Inbound || peers[0].Peer != p.toBob || peers[0].Listen.String() != addressOf(t, p.bob) {
		t.Fatalf("%+v", peers)
	}
}

func TestQueuesHaveTheirChannels(t *testing.T) {
	config := aConfig(t)
	check(t, config.AddChannel(bowline.ChannelDesc{ID: other, Name: "other", Priority: 9, MaxMessage: 1000}))
	alice := unstarted(t, config)
	queue := must(alice.Queue("blocks", other))(t)
	if queue.Name() != "blocks" || alice.Main().Name() != "main" {
		t.Fatal(queue.Name(), alice.Main().Name())
	}
	if err := queue.Bind(0x77); !errors.Is(err, bowline.ErrNoChannel) {
		t.Fatalf("a channel that is none: %v", err)
	}
	// Nobody can read a queue that is not told of: its channels are where they were.
	if none, err := alice.Queue("half", lane, 0x77); none != nil || !errors.Is(err, bowline.ErrNoChannel) {
		t.Fatalf("a queue with a channel that is none: %v %v", none, err)
	}
	check(t, queue.Wakeup(5))
	if wakeup := next[*bowline.Wakeup](t, queue.Events()); wakeup.Tag != 5 {
		t.Fatalf("%+v", wakeup)
	}
	check(t, alice.Start())
	bob := started(t, config)
	p := joined(t, alice, bob)
	next[*bowline.PeerConnected](t, queue.Events())
	check(t, bob.Send(within(t), p.toAlice, other, []byte("to the queue")))
	check(t, bob.Send(within(t), p.toAlice, lane, []byte("to the main queue")))
	if got := next[*bowline.Message](t, queue.Events()); string(got.Data) != "to the queue" || got.Channel != other {
		t.Fatalf("%+v", got)
	}
	hears(t, alice, "to the main queue")
	if _, err := alice.Queue("late"); !errors.Is(err, bowline.ErrState) {
		t.Fatalf("a queue after the start: %v", err)
	}
	if err := queue.Bind(lane); !errors.Is(err, bowline.ErrState) {
		t.Fatalf("a binding after the start: %v", err)
	}
}

func TestStopSendsWhatIsQueuedAndEndsTheQueues(t *testing.T) {
	p := aPair(t)
	for range 1000 {
		check(t, p.bob.Send(within(t), p.toAlice, lane, make([]byte, 100)))
	}
	check(t, p.bob.Stop(5*time.Second))
	for range 1000 {
		next[*bowline.Message](t, p.alice.Events())
	}
	if p.bob.State() != bowline.StateStopped || p.bob.State().String() != "stopped" {
		t.Fatal(p.bob.State())
	}
	if err := p.bob.Send(within(t), p.toAlice, lane, nil); !errors.Is(err, bowline.ErrStopped) || errors.Is(err, bowline.ErrClosed) {
		t.Fatalf("after stop: %v", err)
	}
	for range p.bob.Events() {
		// What is left; then the channel is closed, or this test hangs.
	}
	check(t, p.bob.FatalError())
	if err := p.bob.Start(); !errors.Is(err, bowline.ErrState) && !errors.Is(err, bowline.ErrStopped) {
		t.Fatalf("a second start: %v", err)
	}
}

func TestTwoNodesWantOneAddress(t *testing.T) {
	alice := started(t, aConfig(t))
	address := addressOf(t, alice)
	bob := unstarted(t, aConfig(t, "listen.addresses="+address))
	var failure *bowline.Error
	err := bob.Start()
	if !errors.Is(err, bowline.ErrAddrInUse) || !errors.As(err, &failure) || !strings.Contains(failure.Text, address) {
		t.Fatalf("%v", err)
	}
}
