package bowline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

// stuck is a pair of which bob's messages on a channel do not get through any more, because nobody takes alice's events; his queue has
// room for more.
func stuck(t *testing.T) pair {
	t.Helper()
	config := func() *bowline.Config {
		config := aConfig(t)
		check(t, config.AddChannel(bowline.ChannelDesc{ID: other, Name: "narrow", MaxMessage: 4096, RecvQueueBytes: 64 << 10, SendQueueBytes: 1 << 20}))
		return config
	}
	p := joined(t, started(t, config()), started(t, config()))
	for waiting(t, p) < 5 {
		check(t, p.bob.TrySend(p.toAlice, other, make([]byte, 4096)))
		time.Sleep(time.Millisecond)
	}
	// On a slow machine some were only late.
	for last, same := waiting(t, p), 0; same < 10; same++ {
		time.Sleep(30 * time.Millisecond)
		if now := waiting(t, p); now != last {
			last, same = now, 0
		}
	}
	return p
}

// A context without a deadline that is cancelled ends every wait for room, and nothing was queued.
func TestACancelEndsAWaitForRoom(t *testing.T) {
	p := stuck(t)
	for {
		if err := p.bob.TrySend(p.toAlice, other, make([]byte, 4096)); errors.Is(err, bowline.ErrAgain) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	before := waiting(t, p)
	waits := map[string]func(ctx context.Context) error{
		"Send": func(ctx context.Context) error { return p.bob.Send(ctx, p.toAlice, other, make([]byte, 4096)) },
		"SendReport": func(ctx context.Context) error {
			_, err := p.bob.SendReport(ctx, p.toAlice, other, make([]byte, 4096))
			return err
		},
		"SendWith": func(ctx context.Context) error {
			return p.bob.SendWith(ctx, p.toAlice, other, make([]byte, 4096), bowline.SendOptions{TTL: time.Hour})
		},
	}
	for name, wait := range waits {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- wait(ctx) }()
		select {
		case err := <-ended:
			t.Fatalf("%s did not wait: %v", name, err)
		case <-time.After(100 * time.Millisecond):
		}
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s goes on waiting", name)
		}
	}
	if after := waiting(t, p); after != before {
		t.Errorf("%d messages wait, not %d", after, before)
	}
}

// waiting is how many of bob's messages wait to be sent.
func waiting(t *testing.T, p pair) uint64 {
	t.Helper()
	for _, channel := range must(p.bob.PeerChannels(p.toAlice))(t) {
		if channel.Channel == other {
			return channel.OutMsgs
		}
	}
	t.Fatal("the channel is not listed")
	return 0
}

func TestASentMessageIsReported(t *testing.T) {
	p := aPair(t)
	for range 100 {
		fate, err := p.bob.SendReport(within(t), p.toAlice, lane, []byte("registered"))
		if fate != bowline.Sent || err != nil || fate.String() != "sent" {
			t.Fatal(fate, err)
		}
	}
	for range 100 {
		hears(t, p.alice, "registered")
	}
	queue := p.bob.Main()
	check(t, p.bob.SendWith(within(t), p.toAlice, lane, []byte("tagged"), bowline.SendOptions{TTL: time.Minute, Report: queue, Tag: 7}))
	if result := next[*bowline.SendResult](t, p.bob.Events()); result.Tag != 7 || result.Err != nil || result.Peer != p.toAlice {
		t.Fatalf("%+v", result)
	}
	msg := must(bowline.NewMsg([]byte("shared")))(t)
	defer msg.Close()
	check(t, p.bob.SendMsgWith(within(t), p.toAlice, lane, msg, bowline.SendOptions{Report: queue}))
	if result := next[*bowline.SendResult](t, p.bob.Events()); result.Tag != 0 || result.Err != nil {
		t.Fatalf("%+v", result)
	}
	hears(t, p.alice, "tagged", "shared")
	check(t, p.bob.Flush(within(t), p.toAlice))
	check(t, p.bob.Flush(within(t), 0))
}

func TestWrongSendOptionsAreNamed(t *testing.T) {
	p := aPair(t)
	for what, opts := range map[string]bowline.SendOptions{
		"a negative TTL":          {TTL: -1},
		"a TTL of a year":         {TTL: 365 * 24 * time.Hour},
		"a tag without a queue":   {Tag: 1},
		"a queue of another node": {Report: p.alice.Main()},
		"a tag of this package":   {Report: p.bob.Main(), Tag: 1 << 63},
	} {
		if err := p.bob.SendWith(within(t), p.toAlice, lane, nil, opts); !errors.Is(err, bowline.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := p.bob.CancelSend(p.toAlice, 1<<63); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if fate, err := p.bob.SendReport(canceled, p.toAlice, lane, nil); fate != bowline.NotSent || !errors.Is(err, context.Canceled) {
		t.Error(fate, err)
	}
	if fate, err := p.bob.SendReport(within(t), 12345, lane, nil); fate != bowline.NotSent || !errors.Is(err, bowline.ErrPeerGone) {
		t.Error(fate, err)
	}
}

func TestAMessageIsTakenBack(t *testing.T) {
	bowline.WithCancelPatience(t, patience)
	p := stuck(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	fate, err := p.bob.SendReport(ctx, p.toAlice, other, []byte("too late"))
	if fate != bowline.NotSent || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v, %v", fate, err)
	}
	queue := p.bob.Main()
	check(t, p.bob.SendWith(within(t), p.toAlice, other, []byte("taken back"), bowline.SendOptions{Report: queue, Tag: 3}))
	check(t, p.bob.CancelSend(p.toAlice, 3))
	if result := next[*bowline.SendResult](t, p.bob.Events()); result.Tag != 3 || !errors.Is(result.Err, bowline.ErrCanceled) {
		t.Fatalf("%+v", result)
	}
	check(t, p.bob.SendWith(within(t), p.toAlice, other, []byte("over"), bowline.SendOptions{Report: queue, Tag: 4, TTL: 20 * time.Millisecond}))
	if result := next[*bowline.SendResult](t, p.bob.Events()); result.Tag != 4 || !errors.Is(result.Err, bowline.ErrExpired) {
		t.Fatalf("%+v", result)
	}
	short, cancel2 := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel2()
	if err := p.bob.Flush(short, p.toAlice); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	before := waiting(t, p)
	if total := must(p.bob.Metrics())(t); total.MsgsCanceled != 2 || total.MsgsExpired != 1 {
		t.Errorf("%+v", total)
	}
	// Those that wait when the link closes are told of.
	ends := make(chan error, 1)
	go func() {
		fate, err := p.bob.SendReport(context.Background(), p.toAlice, other, []byte("unsent"))
		if fate != bowline.MaybeSent {
			t.Errorf("%v, %v", fate, err)
		}
		ends <- err
	}()
	eventually(t, "it waits", func() bool { return waiting(t, p) > before })
	check(t, p.bob.Disconnect(p.toAlice, 0))
	var failure *bowline.Error
	if err := <-ends; !errors.Is(err, bowline.ErrPeerGone) || !errors.As(err, &failure) || failure.Reason == 0 {
		t.Error(err)
	}
	if down := next[*bowline.PeerDisconnected](t, p.bob.Events()); down.UnsentMsgs == 0 || down.UnsentBytes == 0 {
		t.Errorf("%+v", down)
	}
}

// A message of which a part has left is not taken back any more; whoever waits for it does not wait for ever.
func TestAMessageThatIsUnderWayMayBeSent(t *testing.T) {
	config := func() *bowline.Config {
		config := aConfig(t)
		check(t, config.AddChannel(bowline.ChannelDesc{ID: other, Name: "narrow", MaxMessage: 50_000, RecvQueueBytes: 64 << 10}))
		return config
	}
	p := joined(t, started(t, config()), started(t, config()))
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		fate, err := p.bob.SendReport(ctx, p.toAlice, other, make([]byte, 50_000))
		cancel()
		if fate == bowline.Sent && err == nil {
			continue
		}
		if fate != bowline.MaybeSent || !errors.Is(err, context.DeadlineExceeded) || fate.String() != "maybe sent" {
			t.Fatal(fate, err)
		}
		return
	}
}

// A batch arrives in order, whatever its messages are, and goes on from where there was no room.
func TestABatchArrivesInOrder(t *testing.T) {
	p := aPair(t)
	var batch [][]byte
	for at := range 5000 {
		batch = append(batch, bytes.Repeat([]byte{byte(at)}, at%700))
	}
	batch = append(batch, nil, make([]byte, 300<<10), []byte("last"))
	sent := make(chan error, 1)
	go func() {
		count, err := p.bob.SendBatch(within(t), p.toAlice, lane, batch)
		if err == nil && count != len(batch) {
			err = fmt.Errorf("%d of %d were sent", count, len(batch))
		}
		sent <- err
	}()
	for at, want := range batch {
		if got := next[*bowline.Message](t, p.alice.Events()).Data; !bytes.Equal(got, want) {
			t.Fatalf("message %d has %d bytes, not %d", at, len(got), len(want))
		}
	}
	check(t, <-sent)
	if count, err := p.bob.SendBatch(within(t), p.toAlice, lane, nil); count != 0 || err != nil {
		t.Errorf("no messages: %d, %v", count, err)
	}
}

// Each leaves as it came.
func TestAWaitForRoomGivesItsPlaceBack(t *testing.T) {
	p := stuck(t)
	for p.bob.TrySend(p.toAlice, other, make([]byte, 4096)) == nil {
	}
	for range 70 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		if err := p.bob.Send(ctx, p.toAlice, other, make([]byte, 4096)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
	}
	if count := bowline.Patient(p.bob); count != 0 {
		t.Errorf("%d places are taken by nobody", count)
	}
}

// The peer takes what it gets, but slowly: all of the batch would be queued after some ten seconds.
func TestABatchEndsWithItsContextWhileAPeerIsSlow(t *testing.T) {
	config := func() *bowline.Config {
		config := aConfig(t)
		check(t, config.AddChannel(bowline.ChannelDesc{ID: other, Name: "narrow", MaxMessage: 4096, SendQueueBytes: 16 << 10}))
		return config
	}
	p := joined(t, started(t, config()), started(t, config()))
	check(t, p.bob.SetPeerBandwidth(p.toAlice, 128<<10, 0))
	batch := make([][]byte, 64<<10)
	for at := range batch {
		batch[at] = make([]byte, 16)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	count, err := p.bob.SendBatch(ctx, p.toAlice, other, batch)
	if !errors.Is(err, context.DeadlineExceeded) || count == len(batch) {
		t.Fatalf("%d were queued: %v", count, err)
	}
}

// What a batch says was queued was, and nothing else.
func TestABatchSaysHowFarItCame(t *testing.T) {
	p := stuck(t)
	batch := make([][]byte, 2000)
	for at := range batch {
		batch[at] = make([]byte, 4096)
		batch[at][0] = 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	count, err := p.bob.SendBatch(ctx, p.toAlice, other, batch)
	if !errors.Is(err, context.DeadlineExceeded) || count == 0 || count == len(batch) {
		t.Fatalf("%d were sent: %v", count, err)
	}
	batch[1] = make([]byte, 4097)
	if _, err := p.bob.SendBatch(context.Background(), p.toAlice, other, batch[1:]); !errors.Is(err, bowline.ErrTooBig) {
		t.Errorf("a message that is too big: %v", err)
	}
	if count, err := p.bob.SendBatch(context.Background(), 999, lane, batch); count != 0 || !errors.Is(err, bowline.ErrPeerGone) {
		t.Errorf("to nobody: %d, %v", count, err)
	}
	go func() { _ = p.bob.Send(within(t), p.toAlice, other, []byte("last")) }()
	got := 0
	for {
		data := next[*bowline.Message](t, p.alice.Events()).Data
		if string(data) == "last" {
			break
		}
		got += int(data[0])
	}
	if got != count {
		t.Errorf("%d were sent, it said, and %d came", count, got)
	}
}
