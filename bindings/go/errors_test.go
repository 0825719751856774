package bowline_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
	"github.com/bowline-p2p/bowline/bindings/go/internal/codes"
)

func TestCodesAreThoseOfTheLibrary(t *testing.T) {
	var rows []codes.Row
	for _, info := range bowline.Codes() {
		rows = append(rows, codes.Row{Number: int32(info.Code), Name: info.Name, Text: info.Text})
	}
	fresh := must(codes.Source(rows))(t)
	if checkedIn := must(os.ReadFile("codes.go"))(t); string(checkedIn) != string(fresh) {
		t.Fatal("codes.go is stale: run go generate")
	}
}

func TestEveryCodeIsFoundInItsError(t *testing.T) {
	all := bowline.Codes()
	if len(all) < 40 {
		t.Fatalf("only %d codes", len(all))
	}
	for _, info := range all {
		var err error = &bowline.Error{Op: "test", Code: info.Code}
		var failure *bowline.Error
		var code bowline.Code
		if !errors.Is(err, info.Code) || !errors.As(err, &failure) || !errors.As(err, &code) || code != info.Code {
			t.Errorf("%s is not found in its error", info.Name)
		}
		if info.Text == "" || err.Error() != "bowline: test: "+info.Text || info.Code.Name() != info.Name {
			t.Errorf("%s: %q", info.Name, err)
		}
		for _, another := range all {
			if another.Code != info.Code && errors.Is(err, another.Code) {
				t.Errorf("%s is taken for %s", info.Name, another.Name)
			}
		}
		if failure.Timeout() != (info.Code == bowline.ErrTimeout) {
			t.Errorf("%s: Timeout", info.Name)
		}
	}
	if name := bowline.Code(-1000).Name(); name != "BOWLINE_E_UNKNOWN" {
		t.Error(name)
	}
}

func TestCodesMatchTheStandardLibrarysErrors(t *testing.T) {
	same := map[error]bowline.Code{
		context.DeadlineExceeded: bowline.ErrTimeout,
		os.ErrDeadlineExceeded:   bowline.ErrTimeout,
		context.Canceled:         bowline.ErrCanceled,
		fs.ErrNotExist:           bowline.ErrNotFound,
		fs.ErrExist:              bowline.ErrExists,
		fs.ErrPermission:         bowline.ErrPermission,
	}
	for target, code := range same {
		for _, info := range bowline.Codes() {
			if errors.Is(&bowline.Error{Code: info.Code}, target) != (info.Code == code) {
				t.Errorf("%v and %s", target, info.Name)
			}
		}
	}
	var timeout net.Error
	if errors.As(error(&bowline.Error{Code: bowline.ErrTimeout}), &timeout) {
		t.Error("net.Error asks for Temporary, which is deprecated")
	}
}

func TestABadConfigurationIsNamed(t *testing.T) {
	config := must(bowline.NewConfig())(t)
	defer config.Close()
	cases := []struct {
		key, value string
		code       bowline.Code
	}{
		{"pool.max", "many", bowline.ErrInvalid},
		{"pool.max", "0", bowline.ErrInvalid},
		{"pool.max", "", bowline.ErrInvalid},
		{"listen.addresses", "nowhere", bowline.ErrInvalid},
		{"pool.maximum", "1", bowline.ErrNotFound},
		{"", "1", bowline.ErrNotFound},
		{"pool.max", "1\x002", bowline.ErrInvalid},
		{"pool.max", "\xff", bowline.ErrUTF8},
	}
	for _, c := range cases {
		err := config.Set(c.key, c.value)
		if !errors.Is(err, c.code) || !strings.Contains(err.Error(), c.key) {
			t.Errorf("set %q to %q: %v", c.key, c.value, err)
		}
	}
	if err := config.SetInt("pool.max", -1); !errors.Is(err, bowline.ErrInvalid) || !strings.Contains(err.Error(), "pool.max") {
		t.Error(err)
	}
	check(t, config.SetInt("pool.max", 20))
	if value := must(config.Get("pool.max"))(t); value != "20" {
		t.Error(value)
	}
	if _, err := config.Get("pool.maximum"); !errors.Is(err, bowline.ErrNotFound) {
		t.Error(err)
	}
	// A value that is longer than the first buffer.
	long := strings.Repeat("192.0.2.1:9732,", 40) + "192.0.2.2:9732"
	check(t, config.Set("discovery.seeds", long))
	if value := must(config.Get("discovery.seeds"))(t); !strings.HasSuffix(value, "192.0.2.2:9732") {
		t.Error(value)
	}
	if dump := must(config.Dump())(t); !strings.Contains(dump, "pool.max = 20\n") {
		t.Error(dump)
	}
	// What is wrong only together is found when the node is made.
	check(t, config.Set("pool.min", "20"))
	check(t, config.Set("pool.max", "10"))
	if _, err := bowline.NewNode(config, aKey(t)); !errors.Is(err, bowline.ErrInvalid) || !strings.Contains(err.Error(), "pool.") {
		t.Error(err)
	}
}

func TestABadChannelIsNamed(t *testing.T) {
	config := aConfig(t)
	for what, c := range map[string]struct {
		desc bowline.ChannelDesc
		code bowline.Code
	}{
		"a number of bowline's own": {bowline.ChannelDesc{ID: 1, Name: "low"}, bowline.ErrInvalid},
		"the same number again":     {bowline.ChannelDesc{ID: lane, Name: "again"}, bowline.ErrExists},
		"no name":                   {bowline.ChannelDesc{ID: other}, bowline.ErrInvalid},
		"a NUL":                     {bowline.ChannelDesc{ID: other, Name: "a\x00b"}, bowline.ErrInvalid},
	} {
		if err := config.AddChannel(c.desc); !errors.Is(err, c.code) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestKeysAreListed(t *testing.T) {
	keys := bowline.Keys()
	config := must(bowline.NewConfig())(t)
	defer config.Close()
	if len(keys) < 50 {
		t.Fatalf("only %d keys", len(keys))
	}
	for _, key := range keys {
		if key.Name == "" || key.Type == "" || key.Doc == "" {
			t.Errorf("%+v", key)
		}
		value := must(config.Get(key.Name))(t)
		check(t, config.Set(key.Name, key.Default))
		if again := must(config.Get(key.Name))(t); again != value {
			t.Errorf("%s is %q, its default %q is %q", key.Name, value, key.Default, again)
		}
	}
}

func TestVersions(t *testing.T) {
	if !strings.Contains(bowline.BuildInfo(), bowline.Version()) || bowline.VersionNumber() == 0 {
		t.Error(bowline.Version(), bowline.VersionNumber(), bowline.BuildInfo())
	}
}
