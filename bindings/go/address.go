package bowline

// #include <bowline.h>
import "C"

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"unsafe"
)

// PeerID is who a peer is: its public key.
type PeerID [32]byte

// ParsePeerID reads 64 hex digits.
func ParsePeerID(text string) (PeerID, error) {
	var id C.bowline_peer_id
	chars, err := cstring("parse peer id", text)
	if err != nil {
		return PeerID{}, err
	}
	if err := failed("parse peer id", C.bowline_peer_id_parse(chars, &id), nil); err != nil {
		return PeerID{}, err
	}
	return peerID(&id), nil
}

// String is the id as 64 hex digits.
func (id PeerID) String() string {
	return hex.EncodeToString(id[:])
}

// MarshalText is the id as 64 hex digits.
func (id PeerID) MarshalText() ([]byte, error) {
	return []byte(id.String()), nil
}

// UnmarshalText reads 64 hex digits.
func (id *PeerID) UnmarshalText(text []byte) (err error) {
	*id, err = ParsePeerID(string(text))
	return err
}

// IsZero tells whether it is nobody.
func (id PeerID) IsZero() bool {
	return id == PeerID{}
}

func peerID(id *C.bowline_peer_id) PeerID {
	return *(*PeerID)(unsafe.Pointer(&id.bytes))
}

func (id PeerID) c() C.bowline_peer_id {
	return *(*C.bowline_peer_id)(unsafe.Pointer(&id))
}

// addrPort is the zero AddrPort for no address.
func addrPort(addr *C.bowline_addr) netip.AddrPort {
	bytes := *(*[16]byte)(unsafe.Pointer(&addr.ip))
	var ip netip.Addr
	switch addr.family {
	case C.BOWLINE_AF_IPV4:
		ip = netip.AddrFrom4([4]byte(bytes[:4]))
	case C.BOWLINE_AF_IPV6:
		ip = netip.AddrFrom16(bytes)
		if addr.scope != 0 {
			ip = ip.WithZone(strconv.FormatUint(uint64(addr.scope), 10))
		}
	default:
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, uint16(addr.port))
}

// caddr takes zones that are numbers, as the library writes them.
func caddr(op string, from netip.AddrPort) (C.bowline_addr, error) {
	var addr C.bowline_addr
	ip := from.Addr().Unmap()
	switch {
	case !ip.IsValid():
		return addr, &Error{Op: op, Code: ErrInvalid, Text: "no address was given"}
	case ip.Is4():
		addr.family = C.BOWLINE_AF_IPV4
		bytes := ip.As4()
		copy((*[16]byte)(unsafe.Pointer(&addr.ip))[:], bytes[:])
	default:
		addr.family = C.BOWLINE_AF_IPV6
		*(*[16]byte)(unsafe.Pointer(&addr.ip)) = ip.As16()
		if zone := ip.Zone(); zone != "" {
			scope, err := strconv.ParseUint(zone, 10, 32)
			if err != nil {
				return addr, &Error{Op: op, Code: ErrInvalid, Text: "the zone " + strconv.Quote(zone) + " is no number: give the interface's"}
			}
			addr.scope = C.uint32_t(scope)
		}
	}
	addr.port = C.uint16_t(from.Port())
	return addr, nil
}
