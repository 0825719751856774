package bowline_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

const blocks bowline.Channel = 0x10

// exampleNode is a node on loopback. A node of a real network has discovery.seeds, a key that is kept, and a proof of work.
func exampleNode() *bowline.Node {
	config, err := bowline.NewConfig()
	if err != nil {
		log.Fatal(err)
	}
	defer config.Close()
	for key, value := range map[string]string{
		"network.name":          "example",
		"network.pow_bits":      "0",
		"network.allow_private": "true",
		"discovery.bootstrap":   "true",
		"listen.addresses":      "127.0.0.1:0",
	} {
		if err := config.Set(key, value); err != nil {
			log.Fatal(err)
		}
	}
	if err := config.AddChannel(bowline.ChannelDesc{ID: blocks, Name: "blocks"}); err != nil {
		log.Fatal(err)
	}
	key, err := bowline.GenerateKey(context.Background(), 0)
	if err != nil {
		log.Fatal(err)
	}
	defer key.Close()
	node, err := bowline.NewNode(config, key)
	if err != nil {
		log.Fatal(err)
	}
	if err := node.Start(); err != nil {
		log.Fatal(err)
	}
	return node
}

// link connects two nodes and answers how the first names the second.
func link(from, to *bowline.Node) bowline.Peer {
	addrs, err := to.ListenAddrs()
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	peer, err := from.Connect(ctx, addrs[0].String())
	if err != nil {
		log.Fatal(err)
	}
	return peer
}

func ExampleNode_Events() {
	alice, bob := exampleNode(), exampleNode()
	defer alice.Close()
	defer bob.Close()
	if err := bob.Send(context.Background(), link(bob, alice), blocks, []byte("block 1")); err != nil {
		log.Fatal(err)
	}
	for event := range alice.Events() {
		switch event := event.(type) {
		case *bowline.PeerConnected:
			fmt.Println("a peer is here")
		case *bowline.Message:
			fmt.Printf("%s\n", event.Data)
			return
		}
	}
	// Output:
	// a peer is here
	// block 1
}

func ExampleNode_Request() {
	alice, bob := exampleNode(), exampleNode()
	defer alice.Close()
	defer bob.Close()
	go func() {
		for event := range alice.Events() {
			request, is := event.(*bowline.Request)
			switch {
			case !is:
			case string(request.Data) == "block 1":
				_ = request.Respond(context.Background(), []byte("its bytes"))
			default:
				_ = request.Refuse(context.Background(), 404, "no such block")
			}
		}
	}()
	peer := link(bob, alice)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	answer, err := bob.Request(ctx, peer, blocks, []byte("block 1"))
	fmt.Printf("%s, %v\n", answer, err)

	_, err = bob.Request(ctx, peer, blocks, []byte("block 2"))
	var refusal *bowline.Error
	if errors.Is(err, bowline.ErrRemote) && errors.As(err, &refusal) {
		fmt.Println(refusal.Remote, refusal.Text)
	}
	// Output:
	// its bytes, <nil>
	// 404 no such block
}

func ExampleNode_Queue() {
	config, err := bowline.NewConfig()
	if err != nil {
		log.Fatal(err)
	}
	defer config.Close()
	_ = config.Set("network.name", "example")
	_ = config.Set("network.pow_bits", "0")
	_ = config.Set("discovery.bootstrap", "true")
	_ = config.AddChannel(bowline.ChannelDesc{ID: blocks, Name: "blocks", Priority: 10})
	key, err := bowline.GenerateKey(context.Background(), 0)
	if err != nil {
		log.Fatal(err)
	}
	defer key.Close()
	node, err := bowline.NewNode(config, key)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	// Blocks have a reader of their own, whom other events never hold up.
	queue, err := node.Queue("blocks", blocks)
	if err != nil {
		log.Fatal(err)
	}
	_ = queue.Wakeup(7)
	fmt.Println((<-queue.Events()).(*bowline.Wakeup).Tag)
	// Output: 7
}

func ExampleConfig_Set() {
	config, err := bowline.NewConfig()
	if err != nil {
		log.Fatal(err)
	}
	defer config.Close()
	err = config.Set("pool.max", "many")
	fmt.Println(errors.Is(err, bowline.ErrInvalid), err)
	// Output:
	// true bowline: set pool.max: pool.max: 'many' does not parse, expected a whole number such as 10
}

func ExampleKeys() {
	for _, key := range bowline.Keys() {
		if key.Name == "pool.max" {
			fmt.Println(key.Type, key.Limits)
		}
	}
	// Output: count 1 to 16384 links
}

// A ping under a latency of 40 ms there and 3 ms back, in virtual time.
func ExampleMemNet() {
	net, err := bowline.NewMemNet(42)
	if err != nil {
		log.Fatal(err)
	}
	defer net.Close()
	var nodes []*bowline.Node
	for number := range 2 {
		config, err := bowline.NewConfig()
		if err != nil {
			log.Fatal(err)
		}
		defer config.Close()
		_ = config.Set("network.name", "example")
		_ = config.Set("network.pow_bits", "0")
		_ = config.Set("network.allow_private", "true")
		_ = config.Set("discovery.bootstrap", "true")
		_ = config.Set("listen.addresses", fmt.Sprintf("10.0.0.%d:9732", number+1))
		_ = config.AddChannel(bowline.ChannelDesc{ID: blocks, Name: "blocks"})
		_ = config.UseMemNet(net)
		key, err := bowline.KeyFromSeed([32]byte{byte(number)})
		if err != nil {
			log.Fatal(err)
		}
		defer key.Close()
		node, err := bowline.NewNode(config, key)
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		if err := node.Start(); err != nil {
			log.Fatal(err)
		}
		nodes = append(nodes, node)
	}
	alice, bob := netip.MustParseAddrPort("10.0.0.1:9732"), netip.MustParseAddrPort("10.0.0.2:9732")
	_ = net.Link(alice.Addr(), bob.Addr(), bowline.Way{Latency: 40 * time.Millisecond})
	_ = net.Link(bob.Addr(), alice.Addr(), bowline.Way{Latency: 3 * time.Millisecond})
	_ = nodes[0].Dial(bob, nil, 0)
	var begin bowline.Moment
	for {
		// Time goes on to the next event, and stands still while the protocol answers it.
		if more, err := net.AdvanceToEvent(time.Minute); !more {
			log.Fatal("nothing happens any more: ", err)
		}
		for number, node := range nodes {
			for _, event := range node.Poll() {
				switch event := event.(type) {
				case *bowline.PeerConnected:
					if number == 0 {
						begin = net.Now()
						_ = node.TrySend(event.Peer, blocks, []byte("ping"))
					}
				case *bowline.Message:
					if number == 0 {
						fmt.Printf("%s after %v\n", event.Data, event.Time.Sub(begin))
						return
					}
					_ = node.TrySend(event.Peer, blocks, []byte("pong"))
				}
			}
		}
	}
	// Output: pong after 43ms
}
