package bowline_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

// anArchive is a configuration of a node that can do a thing.
func anArchive(t *testing.T, settings ...string) *bowline.Config {
	t.Helper()
	config := aConfig(t, settings...)
	check(t, config.AddCapability("archive", 1000))
	check(t, config.AddCapability("a=b", 7))
	return config
}

// withArchive is a pair of which alice is an archive.
func withArchive(t *testing.T) pair {
	t.Helper()
	p := joined(t, started(t, anArchive(t)), started(t, aConfig(t)))
	eventually(t, "bob knows that", func() bool { return second(p.bob.Choose("archive", lane, 1)) == nil })
	return p
}

func TestAPeerIsChosenForWhatItCanDo(t *testing.T) {
	p := withArchive(t)
	if chosen := must(p.bob.Choose("archive", lane, 4))(t); !slices.Equal(chosen, []bowline.Peer{p.toAlice}) {
		t.Fatal(chosen)
	}
	for what, err := range map[string]error{
		"choose":    second(p.bob.Choose("oracle", lane, 4)),
		"channel":   second(p.bob.Choose("archive", other, 4)),
		"send":      second(p.bob.SendTo("oracle", lane, nil)),
		"broadcast": second(p.bob.BroadcastTo("oracle", lane, nil, bowline.BroadcastOptions{})),
		"except":    second(p.bob.BroadcastTo("archive", lane, nil, bowline.BroadcastOptions{Except: p.toAlice, Most: 1})),
		"other way": second(p.alice.SendTo("archive", lane, nil)),
	} {
		if !errors.Is(err, bowline.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := second(p.bob.Choose("archive", lane, 0)); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
	msg := must(bowline.NewMsg([]byte("shared")))(t)
	defer msg.Close()
	if to := must(p.bob.SendTo("archive", lane, []byte("one")))(t); to != p.toAlice {
		t.Error(to)
	}
	if to := must(p.bob.SendMsgTo("archive", lane, msg))(t); to != p.toAlice {
		t.Error(to)
	}
	if reach := must(p.bob.BroadcastTo("archive", lane, []byte("all"), bowline.BroadcastOptions{}))(t); reach != (bowline.Reach{Queued: 1}) {
		t.Errorf("%+v", reach)
	}
	if reach := must(p.bob.BroadcastMsgTo("archive", lane, msg, bowline.BroadcastOptions{Most: 3}))(t); reach != (bowline.Reach{Queued: 1}) {
		t.Errorf("%+v", reach)
	}
	hears(t, p.alice, "one", "shared", "all", "shared")
}

func TestOneWhoCanIsAsked(t *testing.T) {
	p := withArchive(t)
	go answering(p.alice.Events())
	asked, response, err := p.bob.RequestTo(within(t), "archive", lane, []byte("block 1"))
	if asked != p.toAlice || string(response) != "block 1" || err != nil {
		t.Fatal(asked, response, err)
	}
	if _, _, err := p.bob.RequestTo(within(t), "oracle", lane, nil); !errors.Is(err, bowline.ErrNotFound) {
		t.Error(err)
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := p.bob.RequestTo(canceled, "archive", lane, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// The context ends a request that nobody answers.
	q := withArchive(t)
	ctx, cancel2 := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel2()
	if asked, _, err := q.bob.RequestTo(ctx, "archive", lane, nil); asked != q.toAlice || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(asked, err)
	}
}

func TestQuotasOfRoles(t *testing.T) {
	p := withArchive(t)
	check(t, p.bob.SetRoleQuota("archive", bowline.Quota{Links: 2}))
	check(t, p.bob.SetRoleQuota("light", bowline.Quota{Percent: 10}))
	roles := map[string]bowline.RoleInfo{}
	for _, role := range must(p.bob.Roles())(t) {
		roles[role.Capability] = role
	}
	if archive := roles["archive"]; archive.Quota != (bowline.Quota{Links: 2}) || archive.Wanted != 2 || archive.Linked != 1 {
		t.Errorf("%+v", archive)
	}
	if light := roles["light"]; light.Quota != (bowline.Quota{Percent: 10}) || light.Linked != 0 {
		t.Errorf("%+v", light)
	}
	check(t, p.bob.SetRoleQuota("archive", bowline.Quota{}))
	if left := must(p.bob.Roles())(t); len(left) != 1 {
		t.Errorf("%+v", left)
	}
	for _, wrong := range []bowline.Quota{{Links: -1}, {Percent: 101}, {Links: 1, Percent: 1}, {Links: 1 << 40}} {
		if err := p.bob.SetRoleQuota("archive", wrong); !errors.Is(err, bowline.ErrInvalid) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
}

func TestGroupsAreSentToAsOne(t *testing.T) {
	alice := started(t, aConfig(t))
	var others []*bowline.Node
	var members []bowline.Peer
	for range 3 {
		node := started(t, aConfig(t))
		others = append(others, node)
		members = append(members, must(alice.Connect(within(t), addressOf(t, node)))(t))
	}
	shard := alice.Group(7)
	check(t, shard.Add(members[0]))
	check(t, shard.Add(members[1]))
	check(t, shard.Add(members[1])) // twice is once
	check(t, alice.Group(8).Add(members[2]))
	got := must(shard.Peers())(t)
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(members[:2])); !slices.Equal(got, want) {
		t.Fatal(got, want)
	}
	if reach := must(shard.Broadcast(lane, []byte("votes"), bowline.BroadcastOptions{}))(t); reach.Queued != 2 {
		t.Errorf("%+v", reach)
	}
	msg := must(bowline.NewMsg([]byte("shared")))(t)
	defer msg.Close()
	if reach := must(shard.BroadcastMsg(lane, msg, bowline.BroadcastOptions{Except: members[0]}))(t); reach.Queued != 1 {
		t.Errorf("%+v", reach)
	}
	hears(t, others[0], "votes")
	hears(t, others[1], "votes", "shared")
	if reach := must(alice.Group(99).Broadcast(lane, []byte("to nobody else"), bowline.BroadcastOptions{IncludeSelf: true}))(t); reach.Queued != 1 {
		t.Errorf("%+v", reach)
	}
	if own := next[*bowline.Message](t, alice.Events()); own.Peer != bowline.PeerLocal || string(own.Data) != "to nobody else" {
		t.Errorf("%+v", own)
	}
	if err := second(shard.Broadcast(lane, nil, bowline.BroadcastOptions{Most: 1})); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
	check(t, shard.Remove(members[1]))
	if err := shard.Remove(members[1]); !errors.Is(err, bowline.ErrNotFound) {
		t.Error(err)
	}
	if err := shard.Remove(0); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
	check(t, alice.Disconnect(members[0], 0))
	eventually(t, "who is gone is in no group", func() bool { return len(must(shard.Peers())(t)) == 0 })
	check(t, alice.Group(8).Clear())
	check(t, alice.Group(8).Clear())
	if err := shard.Add(members[0]); !errors.Is(err, bowline.ErrPeerGone) {
		t.Error(err)
	}
}

// More peers than are asked for at first.
func TestALargeGroup(t *testing.T) {
	alice := started(t, aConfig(t, "pool.max=60", "pool.outbound_max=50"))
	for range 34 {
		peer := must(alice.Connect(within(t), addressOf(t, started(t, aConfig(t)))))(t)
		check(t, alice.Group(1).Add(peer))
	}
	if got := must(alice.Group(1).Peers())(t); len(got) != 34 {
		t.Error(len(got))
	}
}

func TestPeersTellOfThemselves(t *testing.T) {
	config := anArchive(t)
	check(t, config.AddVersion(3))
	check(t, config.AddVersion(4))
	check(t, config.SetMetadata([]byte("height 77")))
	check(t, config.SetAgent("chain/1.2"))
	for what, err := range map[string]error{
		"a name with a NUL":   config.AddCapability("a\x00", 1),
		"an agent with a NUL": config.SetAgent("a\x00"),
		"the same capability": config.AddCapability("archive", 1),
	} {
		if !errors.Is(err, bowline.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := config.AddVersion(4); !errors.Is(err, bowline.ErrExists) {
		t.Error(err)
	}
	if err := config.SetMetadata(make([]byte, 4097)); !errors.Is(err, bowline.ErrTooBig) {
		t.Error(err)
	}
	theirs := aConfig(t)
	check(t, theirs.AddVersion(2))
	check(t, theirs.AddVersion(3))
	p := joined(t, started(t, config), started(t, theirs))
	up := next[*bowline.PeerConnected](t, p.bob.Events())
	if up.ID != must(p.alice.ID())(t) {
		t.Errorf("%+v", up)
	}
	check(t, p.bob.SetPeerTag(p.toAlice, 99))
	info := must(p.bob.Peer(p.toAlice))(t)
	if info.Agent != "chain/1.2" || !info.HasVersion || info.Version != 3 || info.Tag != 99 || info.Weight == 0 {
		t.Errorf("%+v", info)
	}
	check(t, p.bob.SetPeerBandwidth(p.toAlice, 1<<20, 1<<21))
	eventually(t, "its rates are shown", func() bool {
		info := must(p.bob.Peer(p.toAlice))(t)
		return info.RateUp == 1<<20 && info.RateDown == 1<<21
	})
	if value := must(p.bob.PeerCapability(p.toAlice, "archive"))(t); value != 1000 {
		t.Error(value)
	}
	if err := second(p.bob.PeerCapability(p.toAlice, "oracle")); !errors.Is(err, bowline.ErrNotFound) {
		t.Error(err)
	}
	can := must(p.bob.PeerCapabilities(p.toAlice))(t)
	if !maps.Equal(can, map[string]uint64{"archive": 1000, "a=b": 7}) {
		t.Error(can)
	}
	if data := must(p.bob.PeerMetadata(p.toAlice))(t); string(data) != "height 77" {
		t.Errorf("%q", data)
	}
	if data := must(p.alice.PeerMetadata(p.toBob))(t); data != nil {
		t.Errorf("%q", data)
	}
	if listens := must(p.bob.PeerListens(p.toAlice))(t); len(listens) != 1 {
		t.Error(listens)
	}
	channels := must(p.bob.PeerChannels(p.toAlice))(t)
	if len(channels) != 1 || channels[0].Channel != lane || !channels[0].IsShared || channels[0].CreditOut == 0 {
		t.Errorf("%+v", channels)
	}
	check(t, p.bob.Disconnect(p.toAlice, 0))
	next[*bowline.PeerDisconnected](t, p.bob.Events())
	// The library's list of peers may be a moment behind its events.
	eventually(t, "the list has forgotten her", func() bool { return errors.Is(p.bob.Useful(p.toAlice), bowline.ErrPeerGone) })
	for what, err := range map[string]error{
		"capability":   second(p.bob.PeerCapability(p.toAlice, "archive")),
		"capabilities": second(p.bob.PeerCapabilities(p.toAlice)),
		"metadata":     second(p.bob.PeerMetadata(p.toAlice)),
		"listens":      second(p.bob.PeerListens(p.toAlice)),
		"channels":     second(p.bob.PeerChannels(p.toAlice)),
		"tag":          p.bob.SetPeerTag(p.toAlice, 1),
		"report":       p.bob.Report(p.toAlice, 1, ""),
		"flush":        p.bob.Flush(within(t), p.toAlice),
	} {
		if !errors.Is(err, bowline.ErrPeerGone) {
			t.Errorf("%s of a peer that is gone: %v", what, err)
		}
	}
}

func TestScoresHaveCauses(t *testing.T) {
	p := aPair(t)
	id := must(p.alice.ID())(t)
	if err := second(p.bob.Score(bowline.PeerID{9})); !errors.Is(err, bowline.ErrNotFound) {
		t.Error(err)
	}
	check(t, p.bob.Report(p.toAlice, 30, "a new block"))
	check(t, p.bob.ReportID(id, 12, ""))
	check(t, p.bob.Useful(p.toAlice))
	score := must(p.bob.Score(id))(t)
	if score.Points < 40 || score.Points > 42 || len(score.Causes) != 2 {
		t.Fatalf("%+v", score)
	}
	if cause := score.Causes[0]; cause.Points != 30 || cause.Why != "a new block" || cause.Time == 0 {
		t.Errorf("%+v", cause)
	}
	if err := p.bob.ReportID(must(p.bob.ID())(t), 1, "itself"); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
	if err := p.bob.Report(p.toAlice, 1, "a\x00b"); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
	check(t, p.bob.Report(p.toAlice, -1000, "a forged block"))
	// Either may come first.
	var banned *bowline.PeerBanned
	var down *bowline.PeerDisconnected
	for banned == nil || down == nil {
		switch event := next[bowline.Event](t, p.bob.Events()).(type) {
		case *bowline.PeerBanned:
			banned = event
		case *bowline.PeerDisconnected:
			down = event
		}
	}
	if banned.Reason == 0 || banned.ID != id || banned.Text != "a forged block" || banned.Score > -100 || down.ID != id {
		t.Errorf("%+v", banned)
	}
	if down.Reason.String() == "" || down.Reason.String() == bowline.CloseReason(60000).String() {
		t.Errorf("%+v: %v", down, down.Reason)
	}
	if ends := must(p.bob.Ends(down.Reason))(t); ends == 0 {
		eventually(t, "the end is counted", func() bool { return must(p.bob.Ends(down.Reason))(t) > 0 })
	}
	if err := second(p.bob.Ends(60000)); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
}
