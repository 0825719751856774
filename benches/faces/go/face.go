// What benches/faces/rust.rs measures, through the Go package. It is started by the benchmark, as face.c beside it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

const channel bowline.Channel = 0x10

// patience: nothing here waits longer; the other end is gone then.
const patience = 10 * time.Second

type task struct {
	isReceiver, isTrip bool
	size, number       int // number: 1 for message objects; how many trips at once
	warmUp, span       time.Duration
	to                 string
}

type figures struct {
	messages, bytes, wall, cpu, p50, p99 int64
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "faces, go:", err)
		os.Exit(1)
	}
}

func cpuTime() int64 {
	var used syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return used.Utime.Nano() + used.Stime.Nano()
}

func start() *bowline.Node {
	config := must(bowline.NewConfig())
	defer config.Close()
	for _, setting := range [][2]string{
		{"network.name", "bench"},
		{"network.pow_bits", "0"},
		{"network.allow_private", "true"},
		{"listen.addresses", "127.0.0.1:0"},
		{"discovery.bootstrap", "true"},
	} {
		check(config.Set(setting[0], setting[1]))
	}
	check(config.AddChannel(bowline.ChannelDesc{ID: channel, Name: "bench"}))
	key := must(bowline.GenerateKey(context.Background(), 0))
	defer key.Close()
	node := must(bowline.NewNode(config, key))
	check(node.Start())
	return node
}

var touched byte

func count(t task, node *bowline.Node) (seen figures) {
	var first, begun time.Time
	var cpu int64
	for event := range node.Events() {
		switch event := event.(type) {
		case *bowline.PeerDisconnected:
			check(fmt.Errorf("the link closed before the measurement ended: %s", event.Text))
		case *bowline.Message:
			touched = event.Data[0]
			seen.messages++
			seen.bytes += int64(len(event.Data))
		}
		// The clock is read once for many, as where batches are seen.
		if seen.messages&63 != 1 {
			continue
		}
		now := time.Now()
		if first.IsZero() {
			first = now
		}
		if begun.IsZero() {
			if now.Sub(first) >= t.warmUp {
				begun, cpu, seen = now, cpuTime(), figures{}
			}
			continue
		}
		if now.Sub(begun) >= t.span {
			break
		}
	}
	seen.wall, seen.cpu = int64(time.Since(begun)), cpuTime()-cpu
	return seen
}

// pour sends until the receiver has seen enough and closes.
func pour(t task, node *bowline.Node, peer bowline.Peer) (sent figures) {
	ctx := context.Background()
	message := make([]byte, t.size)
	batch := make([][]byte, t.number)
	for at := range batch {
		batch[at] = message
	}
	begun, cpu := time.Now(), cpuTime()
	for {
		var err error
		queued := 1
		if t.number > 1 {
			queued, err = node.SendBatch(ctx, peer, channel, batch)
		} else if t.number == 1 {
			msg := must(bowline.NewMsg(message))
			err = node.SendMsg(ctx, peer, channel, msg)
			msg.Close()
		} else {
			err = node.Send(ctx, peer, channel, message)
		}
		if err != nil {
			break
		}
		sent.messages += int64(queued)
	}
	sent.bytes = sent.messages * int64(t.size)
	sent.wall, sent.cpu = int64(time.Since(begun)), cpuTime()-cpu
	return sent
}

func answer(t task, node *bowline.Node) figures {
	ctx := context.Background()
	bytes := make([]byte, t.size)
	for event := range node.Events() {
		switch event := event.(type) {
		case *bowline.PeerDisconnected:
			return figures{}
		case *bowline.Request:
			// One that the asker does not wait for any more is no fault.
			_ = event.Respond(ctx, bytes)
		}
	}
	return figures{}
}

func touch(data []byte, err error) error {
	if err == nil && data[0] != 0 {
		return errors.New("another answer than was sent")
	}
	return err
}

// ask makes trips from so many goroutines, each one after another.
func ask(t task, node *bowline.Node, peer bowline.Peer) (seen figures) {
	ctx := context.Background()
	question := make([]byte, t.size)
	first := time.Now()
	since := first.Add(t.warmUp)
	end := since.Add(t.span)
	ended := make(chan []int64)
	for range t.number {
		go func() {
			var times []int64
			for {
				begun := time.Now()
				check(touch(node.Request(ctx, peer, channel, question)))
				now := time.Now()
				if now.After(since) {
					times = append(times, int64(now.Sub(begun)))
				}
				if now.After(end) {
					ended <- times
					return
				}
			}
		}()
	}
	var times []int64
	for range t.number {
		times = append(times, <-ended...)
	}
	seen.wall = int64(time.Since(since))
	slices.Sort(times)
	seen.messages = int64(len(times))
	seen.p50, seen.p99 = times[len(times)/2], times[len(times)-1-len(times)/100]
	return seen
}

func main() {
	if len(os.Args) < 9 {
		check(errors.New("started by cargo bench --bench faces"))
	}
	args := os.Args[2:]
	number := func(at int) int { return must(strconv.Atoi(args[at])) }
	t := task{
		isReceiver: args[1] == "receive",
		isTrip:     args[2] == "trip",
		size:       number(3),
		number:     number(4),
		warmUp:     time.Duration(number(5)) * time.Millisecond,
		span:       time.Duration(number(6)) * time.Millisecond,
	}
	if len(args) > 7 {
		t.to = args[7]
	}
	node := start()
	var seen figures
	if t.isReceiver {
		fmt.Println(must(node.ListenAddrs())[0])
		if t.isTrip {
			seen = answer(t, node)
		} else {
			seen = count(t, node)
		}
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		peer := must(node.Connect(ctx, t.to))
		cancel()
		if t.isTrip {
			seen = ask(t, node, peer)
		} else {
			seen = pour(t, node, peer)
		}
	}
	fmt.Println(seen.messages, seen.bytes, seen.wall, seen.cpu, seen.p50, seen.p99)
	node.Close()
}
