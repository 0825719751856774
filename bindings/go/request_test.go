package bowline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

func TestARequestIsAnswered(t *testing.T) {
	p := aPair(t)
	go answering(p.alice.Events())
	for _, data := range [][]byte{nil, {}, []byte("what"), make([]byte, 100_000)} {
		answer, err := p.bob.Request(within(t), p.toAlice, lane, data)
		if err != nil || !bytes.Equal(answer, data) || answer == nil {
			t.Fatalf("%d bytes: %d, %v", len(data), len(answer), err)
		}
	}
	// A context without a deadline is as good.
	if _, err := p.bob.Request(context.Background(), p.toAlice, lane, nil); err != nil {
		t.Fatal(err)
	}
}

func TestARequestToItself(t *testing.T) {
	node := started(t, aConfig(t))
	go answering(node.Events())
	answer, err := node.Request(within(t), bowline.PeerLocal, lane, []byte("myself"))
	if err != nil || string(answer) != "myself" {
		t.Fatal(string(answer), err)
	}
}

func TestARequestIsRefused(t *testing.T) {
	p := aPair(t)
	go func() {
		request := next[*bowline.Request](t, p.alice.Events())
		_ = request.Refuse(context.Background(), 404, "no such block")
	}()
	_, err := p.bob.Request(within(t), p.toAlice, lane, []byte("block 5"))
	var failure *bowline.Error
	if !errors.Is(err, bowline.ErrRemote) || !errors.As(err, &failure) || failure.Remote != 404 || failure.Text != "no such block" {
		t.Fatalf("%v", err)
	}
}

func TestARequestIsAnsweredOnce(t *testing.T) {
	p := aPair(t)
	go func() { _, _ = p.bob.Request(context.Background(), p.toAlice, lane, nil) }()
	request := next[*bowline.Request](t, p.alice.Events())
	if err := request.Refuse(within(t), 0xffff_ff00, "a number of bowline's own"); !errors.Is(err, bowline.ErrInvalid) {
		t.Fatal(err)
	}
	msg := must(bowline.NewMsg([]byte("yes")))(t)
	defer msg.Close()
	check(t, request.RespondMsg(within(t), msg))
	for what, err := range map[string]error{
		"respond":     request.Respond(within(t), nil),
		"respond msg": request.RespondMsg(within(t), msg),
		"refuse":      request.Refuse(within(t), 1, ""),
	} {
		if !errors.Is(err, bowline.ErrNoRequest) {
			t.Errorf("%s again: %v", what, err)
		}
	}
}

func TestARequestEndsWithItsContext(t *testing.T) {
	p := aPair(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := p.bob.Request(ctx, p.toAlice, lane, nil)
	if !errors.Is(err, bowline.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 2*time.Second {
		t.Fatalf("after %v: %v", time.Since(begin), err)
	}
	var failure *bowline.Error
	if !errors.As(err, &failure) || !failure.Timeout() {
		t.Fatalf("%+v", err)
	}

	canceled, cancel2 := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel2)
	_, err = p.bob.Request(canceled, p.toAlice, lane, []byte("taken back"))
	if !errors.Is(err, bowline.ErrCanceled) || !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if _, err = p.bob.Request(canceled, p.toAlice, lane, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("an ended context: %v", err)
	}
	// Who was asked hears of it: an answer is not wanted any more.
	for {
		request := next[*bowline.Request](t, p.alice.Events())
		if string(request.Data) == "taken back" {
			eventually(t, "the request is taken back", func() bool {
				return errors.Is(request.Respond(context.Background(), nil), bowline.ErrNoRequest)
			})
			return
		}
	}
}

func TestARequestEndsWithItsLink(t *testing.T) {
	p := aPair(t)
	go func() {
		request := next[*bowline.Request](t, p.alice.Events())
		_ = p.alice.Disconnect(request.Peer, 0)
	}()
	_, err := p.bob.Request(within(t), p.toAlice, lane, nil)
	var failure *bowline.Error
	if !errors.Is(err, bowline.ErrPeerGone) || !errors.As(err, &failure) || failure.Reason == 0 {
		t.Fatalf("%+v", err)
	}
}

func TestManyRequestsNeedNoThreads(t *testing.T) {
	p := aPair(t)
	const count = 60 // more than 64 of one peer are refused
	var requests sync.WaitGroup
	var held []*bowline.Request
	before := entries(t, "/proc/self/task")
	for number := range count {
		requests.Add(1)
		go func() {
			defer requests.Done()
			data := fmt.Appendf(nil, "request %d", number)
			answer, err := p.bob.Request(context.Background(), p.toAlice, lane, data)
			if err != nil || !bytes.Equal(answer, data) {
				t.Errorf("%s: %s, %v", data, answer, err)
			}
		}()
	}
	for len(held) < count {
		held = append(held, next[*bowline.Request](t, p.alice.Events()))
	}
	if threads := entries(t, "/proc/self/task"); threads > before+20 {
		t.Errorf("%d threads while %d requests wait, %d before", threads, count, before)
	}
	for _, request := range held {
		check(t, request.Respond(within(t), request.Data))
	}
	requests.Wait()
}

func TestTooManyRequestsAreRefused(t *testing.T) {
	p := aPair(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	errs := make(chan error, 100)
	for range 100 {
		go func() { errs <- second(p.bob.Request(ctx, p.toAlice, lane, nil)) }()
	}
	for range 36 {
		if err := <-errs; !errors.Is(err, bowline.ErrLimit) {
			t.Fatal(err)
		}
	}
	cancel()
	for range 64 {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

func TestAnswersDoNotWaitBehindEvents(t *testing.T) {
	p := aPair(t)
	go answering(p.alice.Events())
	// Nobody takes bob's events, and there are more than his channel holds.
	for range 500 {
		check(t, p.alice.Send(within(t), p.toBob, lane, []byte("noise")))
	}
	if _, err := p.bob.Request(within(t), p.toAlice, lane, nil); err != nil {
		t.Fatal(err)
	}
}
