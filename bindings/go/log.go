package bowline

// #include <pthread.h>
// #include <stdlib.h>
// #include <string.h>
// #include <time.h>
// #include <unistd.h>
// #include <bowline.h>
//
// // Lines wait here for Go: threads of the library write them, and must neither wait nor call Go. There are two halves. Lines go
// // into one of them while Go reads the other; when that has no room they are counted and lost.
// typedef struct {
//     int64_t time_ns;
//     int32_t level;
//     uint32_t target_len;
//     uint32_t text_len;
// } line_head;
//
// static struct {
//     pthread_mutex_t lock;
//     char *halves[2];
//     size_t cap;
//     size_t len;
//     int half;
//     uint64_t lost;
//     int pipe;
//     int is_told;
// } lines = {PTHREAD_MUTEX_INITIALIZER, {NULL, NULL}, 0, 0, 0, 0, -1, 0};
//
// // The longest text that is kept whole.
// enum { TEXT_MAX = 8192 };
//
// static void keep_line(void *ctx, int32_t level, const char *target, const char *text)
// {
//     struct timespec now;
//     line_head head;
//     size_t size = 0;
//     (void)ctx;
//     memset(&head, 0, sizeof head);
//     clock_gettime(CLOCK_REALTIME, &now);
//     head.time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
//     head.level = level;
//     head.target_len = (uint32_t)strnlen(target, TEXT_MAX);
//     head.text_len = (uint32_t)strnlen(text, TEXT_MAX);
//     size = (sizeof head + head.target_len + head.text_len + 7) / 8 * 8;
//     pthread_mutex_lock(&lines.lock);
//     if (lines.cap - lines.len < size) {
//         lines.lost++;
//     } else {
//         char *to = lines.halves[lines.half] + lines.len;
//         memcpy(to, &head, sizeof head);
//         memcpy(to + sizeof head, target, head.target_len);
//         memcpy(to + sizeof head + head.target_len, text, head.text_len);
//         lines.len += size;
//     }
//     // One byte for each time that there was nothing: the pipe never fills, and nobody waits here.
//     if (!lines.is_told) {
//         lines.is_told = write(lines.pipe, "", 1) == 1;
//     }
//     pthread_mutex_unlock(&lines.lock);
// }
//
// // 0 if there is no memory. Nobody writes lines meanwhile.
// static int open_lines(int pipe, size_t cap)
// {
//     lines.halves[0] = malloc(cap);
//     lines.halves[1] = malloc(cap);
//     lines.cap = cap;
//     lines.len = lines.lost = 0;
//     lines.pipe = pipe;
//     lines.is_told = 0;
//     return lines.halves[0] != NULL && lines.halves[1] != NULL;
// }
//
// static void close_lines(void)
// {
//     free(lines.halves[0]);
//     free(lines.halves[1]);
//     lines.halves[0] = lines.halves[1] = NULL;
//     lines.cap = lines.len = 0;
//     lines.pipe = -1;
// }
//
// // What has come, which stays where it is until the next call.
// static const char *take_lines(size_t *len, uint64_t *lost)
// {
//     const char *taken = NULL;
//     pthread_mutex_lock(&lines.lock);
//     taken = lines.halves[lines.half];
//     *len = lines.len;
//     *lost = lines.lost;
//     lines.half = !lines.half;
//     lines.len = lines.lost = 0;
//     lines.is_told = 0;
//     pthread_mutex_unlock(&lines.lock);
//     return taken;
// }
//
// static bowline_result begin_log(void) { return bowline_log_set(keep_line, NULL); }
//
// static bowline_result end_log(void) { return bowline_log_set(NULL, NULL); }
import "C"

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// LogLevel is how much a line of the log matters.
type LogLevel int32

// The levels.
const (
	LogError LogLevel = C.BOWLINE_LOG_ERROR // something is broken
	LogWarn  LogLevel = C.BOWLINE_LOG_WARN  // somebody should look at it
	LogInfo  LogLevel = C.BOWLINE_LOG_INFO  // what has happened
	LogDebug LogLevel = C.BOWLINE_LOG_DEBUG // for those who look for a mistake
	LogTrace LogLevel = C.BOWLINE_LOG_TRACE // everything
)

func (l LogLevel) String() string {
	switch l {
	case LogError:
		return "error"
	case LogWarn:
		return "warn"
	case LogInfo:
		return "info"
	case LogDebug:
		return "debug"
	case LogTrace:
		return "trace"
	}
	return "level " + strconv.Itoa(int(l))
}

// Slog is the level as log/slog has it; [LogTrace] is below [slog.LevelDebug].
func (l LogLevel) Slog() slog.Level {
	switch l {
	case LogError:
		return slog.LevelError
	case LogWarn:
		return slog.LevelWarn
	case LogInfo:
		return slog.LevelInfo
	case LogDebug:
		return slog.LevelDebug
	}
	return slog.LevelDebug - 4
}

// LogLine is a line of the library's log.
type LogLine struct {
	Time   time.Time
	Level  LogLevel
	Target string // the part of the library: "bowline::node"
	Text   string
}

// logRoom is how many bytes of lines may wait to be taken, and as many to be handed out. A test makes it smaller.
var logRoom = 256 << 10

// logger is the log that is set.
var logger struct {
	mu     sync.Mutex // held by who sets
	write  atomic.Pointer[func(LogLine)]
	ended  chan struct{} // closed when the goroutine has ended; nil without one
	reads  *os.File
	writes *os.File
}

// SetLog has the lines of the log of all nodes of the program handed to a function; without one they go nowhere. [LogFilter] says
// which; before that, those of [LogInfo] and above. One goroutine calls the function with one line after the other. It may take its
// time, for the library does not wait: of what is more than 512 KiB then, a line tells how many were lost. A later call replaces the
// function. nil removes it: what has come is handed out, and when SetLog returns nothing is called any more, so do not call it from
// within the function.
//
// The library has one log for the whole program: this takes the place of what C code has set with bowline_log_set, and nil removes
// whatever there is, also what C code has set since.
func SetLog(write func(LogLine)) error {
	if err := checked(); err != nil {
		return err
	}
	logger.mu.Lock()
	defer logger.mu.Unlock()
	if write == nil {
		return removeLog()
	}
	logger.write.Store(&write)
	if logger.ended != nil {
		// C code may have set another since.
		return failed("set log", C.begin_log(), nil)
	}
	return beginLog()
}

// SetLogHandler is [SetLog] for log/slog. Each record has the line's own time, and its target as the attribute "target".
func SetLogHandler(handler slog.Handler) error {
	return SetLog(func(line LogLine) {
		ctx, level := context.Background(), line.Level.Slog()
		if !handler.Enabled(ctx, level) {
			return
		}
		record := slog.NewRecord(line.Time, level, line.Text, 0)
		record.AddAttrs(slog.String("target", line.Target))
		// There is nobody to tell that a line could not be written.
		_ = handler.Handle(ctx, record)
	})
}

// LogFilter says which lines of the log are written: a level (off, error, warn, info, debug, trace), or parts with a level each, as
// "warn,bowline::node=debug". [ErrState] means that no log was ever set.
func LogFilter(spec string) error {
	if err := checked(); err != nil {
		return err
	}
	text, err := cstring("log filter", spec)
	if err != nil {
		return err
	}
	var said *C.bowline_error
	return failed("log filter", C.bowline_log_filter(text, &said), said)
}

func beginLog() error {
	reads, writes, err := os.Pipe()
	if err != nil {
		return &Error{Op: "set log", Code: ErrNoFiles, Text: err.Error(), cause: err}
	}
	undo := func() {
		C.close_lines()
		_ = reads.Close()
		_ = writes.Close()
	}
	fd := C.int(-1)
	// Unlike Fd this leaves the pipe to Go's poller.
	conn, err := writes.SyscallConn()
	if err == nil {
		err = conn.Control(func(raw uintptr) { fd = C.int(raw) })
	}
	if err != nil {
		undo()
		return &Error{Op: "set log", Code: ErrIO, Text: err.Error(), cause: err}
	}
	if C.open_lines(fd, C.size_t(logRoom)) == 0 {
		undo()
		return &Error{Op: "set log", Code: ErrNoMemory}
	}
	if err := failed("set log", C.begin_log(), nil); err != nil {
		undo()
		return err
	}
	ended := make(chan struct{})
	logger.ended, logger.reads, logger.writes = ended, reads, writes
	go func() {
		defer close(ended)
		signal := make([]byte, 1)
		for {
			_, err := reads.Read(signal)
			handOut()
			if err != nil {
				return
			}
		}
	}()
	return nil
}

func removeLog() error {
	// When this returns no thread writes a line any more.
	if err := failed("set log", C.end_log(), nil); err != nil || logger.ended == nil {
		return err
	}
	_ = logger.writes.Close()
	<-logger.ended
	_ = logger.reads.Close()
	C.close_lines()
	logger.ended, logger.reads, logger.writes = nil, nil, nil
	logger.write.Store(nil)
	return nil
}

// handOut hands out the lines that have come. Only one goroutine calls it.
func handOut() {
	var count C.size_t
	var lost C.uint64_t
	taken := unsafe.Slice((*byte)(unsafe.Pointer(C.take_lines(&count, &lost))), count)
	for len(taken) > 0 {
		head := *(*C.line_head)(unsafe.Pointer(&taken[0]))
		target := taken[C.sizeof_line_head:][:head.target_len]
		text := taken[C.sizeof_line_head+head.target_len:][:head.text_len]
		// Each line begins where a number may.
		taken = taken[(C.sizeof_line_head+head.target_len+head.text_len+7)/8*8:]
		(*logger.write.Load())(LogLine{time.Unix(0, int64(head.time_ns)), LogLevel(head.level), string(target), string(text)})
	}
	if lost > 0 {
		text := strconv.FormatUint(uint64(lost), 10) + " lines of the log were lost here: whoever writes them is too slow"
		(*logger.write.Load())(LogLine{time.Now(), LogWarn, "bowline::go", text})
	}
}
