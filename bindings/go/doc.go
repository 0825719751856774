// Package bowline is the peer-to-peer layer of a blockchain node: it finds peers, keeps the right number of them, encrypts and
// multiplexes what they say, and keeps out those who misbehave. It stands on the C library of the same name.
//
// # Building
//
// The package needs Go 1.24, a C compiler, pkg-config, and an installed library: pkg-config must find bowline.pc (PKG_CONFIG_PATH
// names its folder if that is not a usual one). Programs then look for the shared library when they start. The build tag
// bowline_static links the library into the program instead:
//
//	go build -tags bowline_static ./...
//
// A program beside a checkout says where the package is in its own go.mod:
//
//	require github.com/bowline-p2p/bowline/bindings/go v0.0.0
//	replace github.com/bowline-p2p/bowline/bindings/go => ../bowline/bindings/go
//
// It uses nothing but the standard library. A header and a library that do not belong together are found out when the first
// object is made ([ErrVersion]).
//
// # A node
//
// A [Config] has settings by key and channels; a [KeyPair] is who the node is. [NewNode] checks both together, [Node.Start] opens
// sockets, and from there on the node works by itself. What happens to it comes as events:
//
//	for event := range node.Events() {
//		switch event := event.(type) {
//		case *bowline.Message:
//			handle(event.Peer, event.Data)
//		case *bowline.Request:
//			go answer(event)
//		}
//	}
//
// [Node.Send] and [Node.Broadcast] queue messages, [Node.Request] asks a peer and waits for the answer. Peers are numbers: one
// that is gone is answered with [ErrPeerGone], for ever. Everything may be used by any number of goroutines at once.
//
// Peers are also reached by what they can do ([Config.AddCapability], [Node.SendTo], [Node.RequestTo], [Node.BroadcastTo]) and in
// groups that the application makes ([Node.Group]). What they are worth to it, it says with [Node.Report] and [Node.Useful].
//
// # What became of a message
//
// Send succeeds when a message is queued. Who wants to know more calls [Node.SendReport], which waits until the system has all of
// it, and takes it back when the context ends; or gives [SendOptions] to [Node.SendWith]: a time to live, and a queue to which a
// [SendResult] comes. [Node.Flush] waits until nothing is queued any more. That the peer has a message, only its answer says.
//
// # Contexts
//
// Calls that may wait take a context; its deadline is the library's, and its end ends the wait.
//
//   - [Node.Request] has no thread while it waits, so as many may as their peers allow. When its context ends the request is taken
//     back, and the peer is told.
//   - [Node.Send], [Node.SendMsg], [Request.Respond] and the like wait only while a send queue is full. When their context ends,
//     nothing was queued.
//   - [Node.SendReport] waits as Send does for room, and as Request does for the report.
//   - [Node.Connect], [Node.Flush], [Node.Maintain], [Node.Discover] and [Node.Save] come back when their context ends; what they
//     began goes on. Each has a thread while it waits, 64 of one node at once, so that others wait for their turn. One whose
//     context has ended makes room for the next: a flush within 200 ms, the others at once, up to 64 that the library ends when
//     their own time is over (dial.timeout and handshake.timeout, pex.request_timeout, the disk). To connect to many, use [Node.Dial].
//
// # Events and slow readers
//
// Each queue has one goroutine, which takes events from the library in batches of up to 64 and puts them into the queue's Go
// channel, which has room for as many. It waits for whoever reads, so at most 128 events are outside of the library's own queue,
// and memory does not grow however slow the reader is: messages wait in the library until the channel's RecvQueueBytes are full,
// then the peer has to wait, and no other. Pings and the exchange of addresses go on. Those 128 may be as large as the channel's
// MaxMessage: declare no more than the protocol needs.
//
// Nothing is dropped on the way through this package. The library bounds what nobody takes: of peers that are gone it keeps the
// last 1,024 links with up to 16 MiB of messages, and counts what it drops ([Metrics].MsgsDroppedIn, EventsDropped). A
// [PeerConnected] that was taken is followed by its [PeerDisconnected] in any case.
//
// Channels whose messages must not wait behind others get a queue of their own ([Node.Queue]). Answers to requests have one
// already: they never wait behind events. Somebody has to read every queue that messages go to, or the peers wait.
//
// # Stopping
//
// [Node.Stop] sends what is queued and says goodbye; what was received can still be read, and then the channels are closed.
// [Node.Close] stops at once and frees everything; it ends all calls under way and all readers, any number of goroutines may call
// it at any time, and afterwards every call answers [ErrClosed]. Nothing is freed behind your back: a Node that is dropped
// without Close goes on, and the log says so. Configurations, keys, messages and memory networks are closed, too; these are only memory,
// which the garbage collector frees at last.
//
// # Errors
//
// An error of the library is an [*Error] with a [Code] and often a sentence. [errors.Is] finds the code ([ErrPeerGone] and so
// on), and what means the same in the standard library: a time that is over is both [ErrTimeout] and [context.DeadlineExceeded],
// [ErrCanceled] is [context.Canceled], [ErrNotFound] is [io/fs.ErrNotExist]. [Code.Retryable] tells whether trying again may
// help.
//
// # Logs and counters
//
// [SetLogHandler] gives the library's log to log/slog, [SetLog] to a function; a slow one loses lines, which is told, and holds
// nobody up. [Node.Metrics], [Node.ChannelMetrics] and [Node.MetricsText], for Prometheus, count.
//
// # Testing a protocol
//
// [MemNet] is a network in memory: a unit test plays a protocol under latency, loss, partitions and hours of virtual time, and the
// same seed plays the same again. The example of MemNet shows how.
//
// # Memory
//
// Bytes that this package hands out are copies that are yours. Bytes that it takes are copied before the call returns. The
// library never keeps a pointer to Go's memory, and calls no function of Go's: its tests also run with GOEXPERIMENT=cgocheck2. To
// send the same large bytes to several peers without a copy for each, make a [Msg].
//
// # What a crossing costs
//
// A call from Go into C costs 20 to 25 times as much as a call of a Go function that is not inlined: some 60 ns where that takes 3 ns
// on a machine with nothing else to do. One that uses a node costs hardly more, because what keeps Close from freeing it meanwhile
// is one atomic addition. So:
//
//   - Events are taken in batches: one that comes alone pays for a whole crossing, and costs 2.5 times as much as one of a batch of
//     64, of which nearly all is the copy into Go's memory. Batches grow by themselves when there is much to do.
//   - Sending is one crossing for each message, whatever its size; so are a broadcast to all peers, a request and an answer.
//     [Node.SendBatch] takes a crossing for many messages, some 60 small ones at a time.
//   - While nothing happens a queue has a goroutine and no thread: Go's poller watches its descriptor. When an event comes it costs a
//     batch and one more crossing, which finds nothing left.
//
// Beside a Rust program that does the same in turns with it (cargo bench --bench faces), messages of 512 bytes to 64 KiB took 1.5 to 2 times
// the CPU time from node to node, those of 16 bytes four times, three times by [Node.SendBatch], and a single request and its answer took
// 2 to 5 times as long: a goroutine is woken at each end. So it was in some runs on a shared machine with two CPUs.
//
// Run the benchmarks (go test -bench .) for the figures of a machine.
package bowline
