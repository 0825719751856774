package bowline

// #include <bowline.h>
import "C"

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// searchSlice is how long a search for a proof of work goes on between two looks at its context.
const searchSlice = 100 * time.Millisecond

// KeyPair is a secret key with its proof of work: who a node is. It may be used by any number of goroutines. Close wipes it; the
// garbage collector does, too, but nobody knows when. Nodes that use it have their own copy.
type KeyPair struct {
	mu      sync.RWMutex // of ptr
	whole   sync.Mutex   // held before mu by what the library refuses while the key is searched for
	ptr     *C.bowline_keypair
	dropped runtime.Cleanup
}

// owned has the key wiped when nobody holds it any more.
func (k *KeyPair) owned() *KeyPair {
	k.dropped = runtime.AddCleanup(k, func(ptr *C.bowline_keypair) { C.bowline_keypair_free(ptr) }, k.ptr)
	return k
}

// GenerateKey makes a key from the system's randomness and searches for its proof of work until the context ends: 26 bits cost
// minutes, 16 a moment, 0 nothing. To go on with a search that was cut short, make a key with 0 bits and call [KeyPair.Work] on
// it.
func GenerateKey(ctx context.Context, powBits int) (*KeyPair, error) {
	if err := checked(); err != nil {
		return nil, err
	}
	key := &KeyPair{}
	if err := failed("generate key", C.bowline_keypair_generate(0, C.BOWLINE_FOREVER, &key.ptr), nil); err != nil {
		return nil, err
	}
	key.owned()
	if err := key.Work(ctx, powBits); err != nil {
		key.Close()
		return nil, err
	}
	return key, nil
}

// Work searches for a proof of work of so many bits, 0 to 40, from where the last search on this key ended, until the context ends.
func (k *KeyPair) Work(ctx context.Context, powBits int) error {
	for {
		err := k.with(func() error {
			// The library looks for a key in what it is given, and leaves the pointer as it is.
			out := k.ptr
			return failed("proof of work", C.bowline_keypair_generate(C.uint32_t(powBits), millis(searchSlice), &out), nil)
		})
		if !errors.Is(err, ErrTimeout) {
			return err
		}
		if ctx.Err() != nil {
			return ended("proof of work", ctx)
		}
	}
}

// KeyFromSeed makes the key that belongs to a seed of 32 secret bytes, always the same. It has no proof of work yet;
// [KeyPair.Work] adds it.
func KeyFromSeed(seed [32]byte) (*KeyPair, error) {
	if err := checked(); err != nil {
		return nil, err
	}
	key := &KeyPair{}
	result := C.bowline_keypair_from_seed((*C.uint8_t)(unsafe.Pointer(&seed)), &key.ptr)
	if err := failed("key from seed", result, nil); err != nil {
		return nil, err
	}
	return key.owned(), nil
}

// LoadKey loads a key from its file and verifies it again. A file that others than its owner may access is refused. A missing one
// is [fs.ErrNotExist].
func LoadKey(path string) (*KeyPair, error) {
	return loadKey(path, 0)
}

// LoadOrCreateKey is LoadKey; if there is no file it makes a key without proof of work and saves it with mode 0600.
func LoadOrCreateKey(path string) (*KeyPair, error) {
	return loadKey(path, C.BOWLINE_KEYPAIR_CREATE)
}

func loadKey(path string, flags C.uint32_t) (*KeyPair, error) {
	if err := checked(); err != nil {
		return nil, err
	}
	name, err := cstring("load key", path)
	if err != nil {
		return nil, err
	}
	key := &KeyPair{}
	var said *C.bowline_error
	if err := failed("load key", C.bowline_keypair_load(name, flags, &key.ptr, &said), said); err != nil {
		return nil, err
	}
	return key.owned(), nil
}

// Save writes the key to a new file with mode 0600. An existing file is never touched: [fs.ErrExist].
func (k *KeyPair) Save(path string) error {
	name, err := cstring("save key", path)
	if err != nil {
		return err
	}
	return k.with(func() error {
		var said *C.bowline_error
		return failed("save key", C.bowline_keypair_save(k.ptr, name, &said), said)
	})
}

// ID is the public identity of the key, which its proof of work does not change.
func (k *KeyPair) ID() (id PeerID, err error) {
	err = k.there(func() error {
		var raw C.bowline_peer_id
		result := C.bowline_keypair_id(k.ptr, &raw)
		id = peerID(&raw)
		return failed("id of key", result, nil)
	})
	return id, err
}

// Close wipes the key and frees it. It may be called again.
func (k *KeyPair) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dropped.Stop()
	C.bowline_keypair_free(k.ptr)
	k.ptr = nil
	return nil
}

// with calls f while nobody searches.
func (k *KeyPair) with(f func() error) error {
	k.whole.Lock()
	defer k.whole.Unlock()
	return k.there(f)
}

// there calls f while the key is there.
func (k *KeyPair) there(f func() error) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.ptr == nil {
		return ErrClosed
	}
	return f()
}
