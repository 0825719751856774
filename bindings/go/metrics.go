package bowline

// #include <bowline.h>
import "C"

import "time"

// Metrics is what a node has counted so far. Each number is exact; together they are of no single instant.
type Metrics struct {
	Uptime            time.Duration
	PeersIn, PeersOut uint64 // open links, by who dialed

	AddrsKnown uint64
	Bans       uint64 // in force
	Greylisted uint64 // those included whose time is over and that are only remembered

	DialsTotal, DialsFailed uint64
	AcceptsTotal            uint64
	AcceptsRefused          uint64 // refused or failed before they opened
	AcceptsShut             uint64 // closed at the door: banned, greylisted, or not trusted where only the trusted are let in
	AcceptsNoFiles          uint64 // not accepted for want of descriptors

	BytesIn, BytesOut     uint64 // of sockets
	MsgsIn, MsgsOut       uint64 // of the application
	PayloadIn, PayloadOut uint64 // bytes of these

	MsgsUnsent      uint64 // still queued when their link closed
	MsgsExpired     uint64 // their TTL was over before they were sent
	MsgsCanceled    uint64 // their senders took them back
	MsgsDisplaced   uint64 // gave way to newer ones in a full queue
	MsgsRefused     uint64 // not taken for sending because the queue was full
	MsgsUnfinished  uint64 // of which a part had come when their link closed
	MsgsDroppedIn   uint64 // of peers that are gone, because nobody took them and too many waited
	EventsDropped   uint64 // that belong to no open link, because nobody took them
	ControlsDropped uint64 // of the node's own channels: too many waited for a peer, or their link had ended
	Stalls          uint64 // times that a channel of a link began to stall

	RequestsTimeout uint64
	AnswersLate     uint64 // nobody waited for them any more
	PexAnswered     uint64 // requests of peers for addresses
	Panics          uint64 // contained while a peer's message was handled

	RateUp, RateDown uint64 // bytes a second that all links together may move; 0: no limit
	Turns, Wakes     uint64 // of the event loop, and how often it was woken out of sleep
}

// Metrics is what the node has counted so far.
func (n *Node) Metrics() (Metrics, error) {
	raw := C.bowline_metrics{struct_size: C.sizeof_bowline_metrics}
	err := n.c.call("metrics", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_metrics_get(node, &raw)
	})
	return Metrics{
		Uptime:          time.Duration(raw.uptime_ns),
		PeersIn:         uint64(raw.peers_in),
		PeersOut:        uint64(raw.peers_out),
		AddrsKnown:      uint64(raw.addrs_known),
		Bans:            uint64(raw.bans),
		Greylisted:      uint64(raw.greylisted),
		DialsTotal:      uint64(raw.dials_total),
		DialsFailed:     uint64(raw.dials_failed),
		AcceptsTotal:    uint64(raw.accepts_total),
		AcceptsRefused:  uint64(raw.accepts_refused),
		AcceptsShut:     uint64(raw.accepts_shut),
		AcceptsNoFiles:  uint64(raw.accepts_no_files),
		BytesIn:         uint64(raw.bytes_in),
		BytesOut:        uint64(raw.bytes_out),
		MsgsIn:          uint64(raw.msgs_in),
		MsgsOut:         uint64(raw.msgs_out),
		PayloadIn:       uint64(raw.payload_in),
		PayloadOut:      uint64(raw.payload_out),
		MsgsUnsent:      uint64(raw.msgs_unsent),
		MsgsExpired:     uint64(raw.msgs_expired),
		MsgsCanceled:    uint64(raw.msgs_canceled),
		MsgsDisplaced:   uint64(raw.msgs_displaced),
		MsgsRefused:     uint64(raw.msgs_refused),
		MsgsUnfinished:  uint64(raw.msgs_unfinished),
		MsgsDroppedIn:   uint64(raw.msgs_dropped_in),
		EventsDropped:   uint64(raw.events_dropped),
		ControlsDropped: uint64(raw.controls_dropped),
		Stalls:          uint64(raw.stalls),
		RequestsTimeout: uint64(raw.requests_timeout),
		AnswersLate:     uint64(raw.answers_late),
		PexAnswered:     uint64(raw.pex_answered),
		Panics:          uint64(raw.panics),
		RateUp:          uint64(raw.rate_up),
		RateDown:        uint64(raw.rate_down),
		Turns:           uint64(raw.turns),
		Wakes:           uint64(raw.wakes),
	}, err
}

// ChannelMetrics is what went through a channel so far, on all links together.
type ChannelMetrics struct {
	MsgsIn, BytesIn   uint64
	MsgsOut, BytesOut uint64
}

// ChannelMetrics is what went through a channel so far.
func (n *Node) ChannelMetrics(channel Channel) (ChannelMetrics, error) {
	raw := C.bowline_channel_metrics{struct_size: C.sizeof_bowline_channel_metrics}
	err := n.c.call("channel metrics", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_metrics_channel(node, C.bowline_channel(channel), &raw)
	})
	return ChannelMetrics{
		MsgsIn:   uint64(raw.msgs_in),
		BytesIn:  uint64(raw.bytes_in),
		MsgsOut:  uint64(raw.msgs_out),
		BytesOut: uint64(raw.bytes_out),
	}, err
}

// MetricsContentType is what [Node.MetricsText] is, for the head of an HTTP answer.
const MetricsContentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

// MetricsText is all counters as OpenMetrics text, as Prometheus reads it: of the node, of its channels, and of ended connections
// by reason. Some kilobytes.
func (n *Node) MetricsText() (string, error) {
	var out *C.char
	err := n.c.call("metrics", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_metrics_text(node, &out)
	})
	if err != nil {
		return "", err
	}
	defer C.bowline_string_free(out)
	return C.GoString(out), nil
}

// Ends is how often connections and dials have ended for a reason since the start, those included that never became links.
func (n *Node) Ends(reason CloseReason) (uint64, error) {
	var count C.uint64_t
	err := n.c.call("ends", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_metrics_ends(node, C.uint32_t(reason), &count)
	})
	return uint64(count), err
}

// MemoryMax is the most memory that the node takes with its settings and channels, in bytes, whatever peers and callers do. What
// this package holds outside of the library comes on top: see the package's documentation.
func (n *Node) MemoryMax() (uint64, error) {
	var bytes C.uint64_t
	err := n.c.call("memory", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_node_memory_max(node, &bytes)
	})
	return uint64(bytes), err
}
