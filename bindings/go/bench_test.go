package bowline_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

//go:noinline
func plain() uint32 { return 7 }

var sink uint32

// What a call of Go's costs, for comparison.
func BenchmarkPlainCall(b *testing.B) {
	for b.Loop() {
		sink += plain()
	}
}

// What a crossing costs that does nothing.
func BenchmarkCrossing(b *testing.B) {
	for b.Loop() {
		sink += bowline.VersionNumber()
	}
}

// What a crossing costs that reads the clock.
func BenchmarkCrossingClock(b *testing.B) {
	for b.Loop() {
		sink += uint32(bowline.Now())
	}
}

// What a crossing with a node costs: the lock that Close waits for, and a look at the node.
func BenchmarkCrossingNode(b *testing.B) {
	node := started(b, aConfig(b))
	for b.Loop() {
		sink += uint32(node.State())
	}
}

// What an event costs from the library's queue into Go's memory, by how many a crossing brings.
func BenchmarkEvent(b *testing.B) {
	for _, batch := range []int{1, 4, 16, 64, 256} {
		b.Run(fmt.Sprint("batch=", batch), func(b *testing.B) {
			take := bowline.BenchQueue(b, unstarted(b, aConfig(b)))
			for range b.N/1024 + 1 {
				take(1024, batch)
			}
		})
	}
}

// One goroutine sends, another takes what comes: messages on one link, one way.
func BenchmarkOneWay(b *testing.B) {
	for _, size := range []int{16, 512, 4096, 65536} {
		b.Run(fmt.Sprint("size=", size), func(b *testing.B) {
			p := aPair(b)
			data := make([]byte, size)
			b.SetBytes(int64(size))
			b.ResetTimer()
			go func() {
				for range b.N {
					if err := p.bob.Send(context.Background(), p.toAlice, lane, data); err != nil {
						b.Error(err)
						return
					}
				}
			}()
			for left := b.N; left > 0; {
				if _, is := (<-p.alice.Events()).(*bowline.Message); is {
					left--
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}

// A request and its answer, one after another, and 32 at once.
func BenchmarkRoundTrip(b *testing.B) {
	for _, parallel := range []int{1, 32} {
		b.Run(fmt.Sprint("parallel=", parallel), func(b *testing.B) {
			p := aPair(b)
			go answering(p.alice.Events())
			data := make([]byte, 64)
			var askers sync.WaitGroup
			b.ResetTimer()
			for asker := range parallel {
				askers.Add(1)
				go func() {
					defer askers.Done()
					for number := asker; number < b.N; number += parallel {
						if _, err := p.bob.Request(context.Background(), p.toAlice, lane, data); err != nil {
							b.Error(err)
							return
						}
					}
				}()
			}
			askers.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
