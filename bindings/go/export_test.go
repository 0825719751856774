package bowline

import (
	"testing"
	"time"
)

// BenchQueue makes a queue without a pump. The function that it returns fills it with wakeups and takes them, so many for each
// crossing; only the taking is timed.
func BenchQueue(b *testing.B, node *Node) func(count, batch int) {
	queue, err := node.c.makeQueue("bench")
	if err != nil {
		b.Fatal(err)
	}
	return func(count, batch int) {
		b.StopTimer()
		for tag := range count {
			if err := queue.Wakeup(uint64(tag)); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		left := count
		queue.take(batch, func(Event) bool {
			left--
			return left > 0
		})
	}
}

// WithoutDescriptors has queues wait in the library, as they do when the system has no descriptors left, until the test ends.
func WithoutDescriptors(t *testing.T) {
	descriptorsWanted = false
	t.Cleanup(func() { descriptorsWanted = true })
}

// WithLogRoom has so many bytes of lines wait in the log, until the test ends.
func WithLogRoom(t *testing.T, bytes int) {
	before := logRoom
	logRoom = bytes
	t.Cleanup(func() { logRoom = before })
}

// Patient is how many calls of a node wait for room inside the library.
func Patient(node *Node) int {
	return len(node.c.patient)
}

// WithCancelPatience has a message that is taken back take so long to say so, until the test ends.
func WithCancelPatience(t *testing.T, patience time.Duration) {
	before := cancelPatience
	cancelPatience = patience
	t.Cleanup(func() { cancelPatience = before })
}
