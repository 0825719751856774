package bowline

// #include <stdlib.h>
// #include <bowline.h>
//
// // It takes uint8_t and not void, so that cgo knows that the bytes lead to no memory of Go's.
// static bowline_result set_metadata(bowline_config *config, const uint8_t *data, size_t len, bowline_error **err) {
//     return bowline_config_set_metadata(config, data, len, err);
// }
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

// Channel is a channel's number on the wire: one of the independent lanes of every link. Applications use 0x10 and above.
type Channel uint16

// ChannelDesc declares a channel. What is zero is at its default.
type ChannelDesc struct {
	ID       Channel // the same on both sides
	Name     string  // for logs and metrics: 1 to 32 printable ASCII characters without spaces
	Priority uint8   // weight 1 to 255 when several channels have something to send; default 1

	MaxMessage     uint32 // bytes; default 1 MiB
	SendQueueMsgs  uint32 // messages that may wait to be sent on one link; default 16,384
	SendQueueBytes uint64 // their bytes; default 256 KiB
	RecvQueueMsgs  uint32 // messages of one peer that may wait to be taken; default 32,768
	RecvQueueBytes uint64 // their bytes; default 2 MiB. The peer waits then
	TurnBytes      uint32 // bytes in one record while other channels wait; default: by priority alone

	DropOldest bool   // when the send queue is full the oldest messages give way; otherwise the newest is refused
	Conflate   bool   // a new message replaces those that wait: only the latest counts
	NoRequests bool   // this node answers no requests on the channel
	Requests   uint32 // of one peer that may wait for this node's answer; default 64, or none with NoRequests

	RateMsgsPerSecond  uint32 // what one peer may send; default: no limit
	RateBurst          uint32 // of these, so many at once; default: what a second brings
	RateBytesPerSecond uint64 // as RateMsgsPerSecond, in bytes with headers
	RateBytesBurst     uint32 // as RateBurst
}

// Config is a node to be: settings and channels. It may be used by any number of goroutines. Close it, or leave it to the garbage
// collector; nodes that were made from it have their own copy.
type Config struct {
	mu       sync.Mutex
	ptr      *C.bowline_config
	dropped  runtime.Cleanup
	isInline bool // nodes are on a memory network
}

// NewConfig makes a configuration in which every key is at its default.
func NewConfig() (*Config, error) {
	if err := checked(); err != nil {
		return nil, err
	}
	config := &Config{}
	if err := failed("new config", C.bowline_config_new(&config.ptr), nil); err != nil {
		return nil, err
	}
	config.dropped = runtime.AddCleanup(config, func(ptr *C.bowline_config) { C.bowline_config_free(ptr) }, config.ptr)
	return config, nil
}

// Close frees the configuration. It may be called again.
func (c *Config) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped.Stop()
	C.bowline_config_free(c.ptr)
	c.ptr = nil
	return nil
}

// with calls f while the configuration is there.
func (c *Config) with(f func(*C.bowline_config) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ptr == nil {
		return ErrClosed
	}
	return f(c.ptr)
}

// say is with for a call that fails with a sentence.
func (c *Config) say(op string, f func(*C.bowline_config, **C.bowline_error) C.bowline_result) error {
	return c.with(func(ptr *C.bowline_config) error {
		var said *C.bowline_error
		return failed(op, f(ptr, &said), said)
	})
}

// Set gives a key a value, such as "8MiB", "30s", "true" or "192.0.2.1:9732,[::1]:9732". The value is checked at once, alone;
// [NewNode] checks all together. An error names the key. [Keys] lists them.
func (c *Config) Set(key, value string) error {
	name, err := cstring("set", key)
	if err != nil {
		return err
	}
	text, err := cstring("set "+key, value)
	if err != nil {
		return err
	}
	return c.say("set "+key, func(ptr *C.bowline_config, said **C.bowline_error) C.bowline_result {
		return C.bowline_config_set(ptr, name, text, said)
	})
}

// SetInt gives a key a number: a count, bytes of a size, milliseconds of a duration, or 0 and 1 for a switch.
func (c *Config) SetInt(key string, value int64) error {
	name, err := cstring("set", key)
	if err != nil {
		return err
	}
	return c.say("set "+key, func(ptr *C.bowline_config, said **C.bowline_error) C.bowline_result {
		return C.bowline_config_set_int(ptr, name, C.int64_t(value), said)
	})
}

// Get is the text of a key's value, in the form that Set reads.
func (c *Config) Get(key string) (value string, err error) {
	name, err := cstring("get", key)
	if err != nil {
		return "", err
	}
	err = c.with(func(ptr *C.bowline_config) (err error) {
		value, err = grown("get "+key, func(buf *C.char, cap C.size_t, needed *C.size_t) C.bowline_result {
			return C.bowline_config_get(ptr, name, buf, cap, needed)
		})
		return err
	})
	return value, err
}

// Dump is every key with its value, one "key = value" in a line, defaults included.
func (c *Config) Dump() (text string, err error) {
	err = c.with(func(ptr *C.bowline_config) error {
		var out *C.char
		if err := failed("dump", C.bowline_config_dump(ptr, &out), nil); err != nil {
			return err
		}
		text = C.GoString(out)
		C.bowline_string_free(out)
		return nil
	})
	return text, err
}

// AddChannel declares a channel. All of a node's channels are declared before it starts, because the handshake announces them.
func (c *Config) AddChannel(desc ChannelDesc) error {
	if _, err := cstring("add channel", desc.Name); err != nil {
		return err
	}
	// The name is C's memory, because a struct in Go's may not lead to other memory of Go.
	name := C.CString(desc.Name)
	defer C.free(unsafe.Pointer(name))
	var flags C.uint8_t
	for flag, isSet := range map[C.uint8_t]bool{
		C.BOWLINE_CHANNEL_DROP_OLDEST: desc.DropOldest,
		C.BOWLINE_CHANNEL_CONFLATE:    desc.Conflate,
		C.BOWLINE_CHANNEL_NO_REQUESTS: desc.NoRequests,
	} {
		if isSet {
			flags |= flag
		}
	}
	raw := C.bowline_channel_desc{
		struct_size:      C.sizeof_bowline_channel_desc,
		id:               C.bowline_channel(desc.ID),
		priority:         C.uint8_t(max(desc.Priority, 1)),
		flags:            flags,
		max_message:      C.uint32_t(desc.MaxMessage),
		rate_msgs_per_s:  C.uint32_t(desc.RateMsgsPerSecond),
		rate_burst:       C.uint32_t(desc.RateBurst),
		send_queue_msgs:  C.uint32_t(desc.SendQueueMsgs),
		recv_queue_msgs:  C.uint32_t(desc.RecvQueueMsgs),
		turn_bytes:       C.uint32_t(desc.TurnBytes),
		send_queue_bytes: C.uint64_t(desc.SendQueueBytes),
		recv_queue_bytes: C.uint64_t(desc.RecvQueueBytes),
		name:             name,
		rate_bytes_per_s: C.uint64_t(desc.RateBytesPerSecond),
		rate_bytes_burst: C.uint32_t(desc.RateBytesBurst),
		requests:         C.uint32_t(desc.Requests),
	}
	return c.say("add channel "+desc.Name, func(ptr *C.bowline_config, said **C.bowline_error) C.bowline_result {
		return C.bowline_config_add_channel(ptr, &raw, said)
	})
}

// AddCapability announces that the node can do a thing, with a number that says whatever the application likes. Peers learn of it
// when they connect, others through them; [Node.Choose] and its like find those who can. The name has 1 to 32 printable ASCII
// characters. Announce first what others look for: where nodes exchange addresses, long lists are cut.
func (c *Config) AddCapability(name string, value uint64) error {
	text, err := cstring("add capability", name)
	if err != nil {
		return err
	}
	return c.say("add capability "+name, func(ptr *C.bowline_config, said **C.bowline_error) C.bowline_result {
		return C.bowline_config_add_capability(ptr, text, C.uint64_t(value), said)
	})
}

// AddVersion announces a version of the application's own protocol. The highest that both sides announce is [PeerInfo].Version;
// the setting network.require_version refuses peers that share none.
func (c *Config) AddVersion(version uint32) error {
	return c.say("add version", func(ptr *C.bowline_config, said **C.bowline_error) C.bowline_result {
		return C.bowline_config_add_version(ptr, C.uint32_t(version), said)
	})
}

// SetMetadata sets at most 4,096 bytes of the application's that every peer gets when it connects: [Node.PeerMetadata] there.
func (c *Config) SetMetadata(data []byte) error {
	return c.say("set metadata", func(ptr *C.bowline_config, said **C.bowline_error) C.bowline_result {
		return C.set_metadata(ptr, first(data), C.size_t(len(data)), said)
	})
}

// SetAgent sets what the node calls its software, for people: [PeerInfo].Agent there. At most 64 bytes go out.
func (c *Config) SetAgent(agent string) error {
	text, err := cstring("set agent", agent)
	if err != nil {
		return err
	}
	return c.say("set agent", func(ptr *C.bowline_config, said **C.bowline_error) C.bowline_result {
		return C.bowline_config_set_agent(ptr, text, said)
	})
}

// KeyInfo is what a key of the configuration is.
type KeyInfo struct {
	Name    string // "pool.max"
	Type    string // how a value is written: "count", "size", "duration", "switch", "text", ...
	Default string // the value while none is set
	Limits  string // what is allowed; "" if everything of its type is
	Doc     string // what it does
	Live    bool   // [Node.Set] changes it while the node runs
}

// Keys lists every key of the configuration, in the manual's order.
func Keys() []KeyInfo {
	var keys []KeyInfo
	for {
		info := C.bowline_key_info{struct_size: C.sizeof_bowline_key_info}
		if C.bowline_config_key_info(C.size_t(len(keys)), &info) != C.BOWLINE_OK {
			return keys
		}
		keys = append(keys, KeyInfo{
			Name:    C.GoString(info.name),
			Type:    C.GoString(info.value_type),
			Default: C.GoString(info.default_value),
			Limits:  C.GoString(info.limits),
			Doc:     C.GoString(info.doc),
			Live:    info.flags&C.BOWLINE_KEY_LIVE != 0,
		})
	}
}

// grown reads a text into a buffer that grows until the text fits.
func grown(op string, read func(buf *C.char, cap C.size_t, needed *C.size_t) C.bowline_result) (string, error) {
	buf := make([]byte, 128)
	for {
		var needed C.size_t
		result := read((*C.char)(unsafe.Pointer(&buf[0])), C.size_t(len(buf)), &needed)
		switch {
		case result == C.BOWLINE_OK:
			return string(buf[:needed-1]), nil
		case result != C.BOWLINE_E_BUFFER:
			return "", failed(op, result, nil)
		}
		buf = make([]byte, needed)
	}
}
