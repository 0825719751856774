// Gossip is a node that passes on once, to all its other peers, what a peer says, and tells all of them what you type.
//
//	gossip <address to listen on> [<peer to connect to>...]
//
// It talks with examples/epoll_gossip.c.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

const rumours bowline.Channel = 0x21

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: gossip <address to listen on> [<peer to connect to>...]")
	}
	node, err := start(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := gossip(node, os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	// What was typed last is sent before the node goes.
	if err := errors.Join(node.Stop(time.Second), node.Close()); err != nil {
		log.Fatal(err)
	}
}

func start(listen string) (*bowline.Node, error) {
	config, err := bowline.NewConfig()
	if err != nil {
		return nil, err
	}
	defer config.Close()
	settings := map[string]string{
		"network.name":          "gossip-example",
		"network.pow_bits":      "0", // a public network asks for 26
		"network.allow_private": "true",
		"discovery.bootstrap":   "true",
		"listen.addresses":      listen,
	}
	for key, value := range settings {
		if err := config.Set(key, value); err != nil {
			return nil, err
		}
	}
	if err := config.AddChannel(bowline.ChannelDesc{ID: rumours, Name: "gossip"}); err != nil {
		return nil, err
	}
	key, err := bowline.GenerateKey(context.Background(), 0)
	if err != nil {
		return nil, err
	}
	defer key.Close()
	node, err := bowline.NewNode(config, key)
	if err != nil {
		return nil, err
	}
	if err := node.Start(); err != nil {
		node.Close()
		return nil, err
	}
	return node, nil
}

// gossip talks until the end of standard input.
func gossip(node *bowline.Node, peers []string) error {
	addrs, err := node.ListenAddrs()
	if err != nil {
		return err
	}
	fmt.Println(addrs[0])
	for _, peer := range peers {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err := node.Connect(ctx, peer)
		cancel()
		if err != nil {
			return err
		}
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for input := bufio.NewScanner(os.Stdin); input.Scan(); {
			lines <- input.Text()
		}
	}()
	heard := newMemory()
	for {
		select {
		case line, isOpen := <-lines:
			if !isOpen {
				return nil
			}
			if heard.isNew(line) {
				if _, err := node.Broadcast(rumours, []byte(line), bowline.BroadcastOptions{}); err != nil {
					return err
				}
			}
		case event, isOpen := <-node.Events():
			if !isOpen {
				return node.FatalError()
			}
			if err := handle(node, heard, event); err != nil {
				return err
			}
		}
	}
}

func handle(node *bowline.Node, heard *memory, event bowline.Event) error {
	switch event := event.(type) {
	case *bowline.Message:
		if heard.isNew(string(event.Data)) {
			fmt.Println(printable(event.Data))
			// To all but the one it came from.
			_, err := node.Broadcast(rumours, event.Data, bowline.BroadcastOptions{Except: event.Peer})
			return err
		}
	case *bowline.PeerDisconnected:
		log.Printf("a peer is gone: %s", event.Text)
	}
	return nil
}

// printable is what others wrote, without what would steer the terminal.
func printable(data []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(string(data), "?"))
}

// memory knows the last messages, so that none goes round for ever.
type memory struct {
	seen  map[string]bool
	order []string
}

const memoryMax = 1024

func newMemory() *memory {
	return &memory{seen: map[string]bool{}}
}

func (m *memory) isNew(text string) bool {
	if m.seen[text] {
		return false
	}
	if len(m.order) == memoryMax {
		delete(m.seen, m.order[0])
		m.order = m.order[1:]
	}
	m.seen[text] = true
	m.order = append(m.order, text)
	return true
}
