package sqlite

import (
	"encoding/json"
	"fmt"
	"time"
)

// How Go values stand in columns. Times are microseconds; the zero time has a
// number of its own, as every other. Small structures are JSON, with empty text
// for an empty one.

func when(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// instant is a time that may be missing, as a NULL.
func instant(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UnixMicro()
}

func whenever(micros *int64) *time.Time {
	if micros == nil {
		return nil
	}
	t := when(*micros)
	return &t
}

// text encodes v; empty says that there is nothing to encode.
func text(v any, empty bool) (string, error) {
	if empty {
		return "", nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("cannot encode a %T: %v", v, err)
	}
	return string(data), nil
}

// parse decodes what text encoded.
func parse[T any](data string) (v T, err error) {
	if data == "" {
		return v, nil
	}
	if err := json.Unmarshal([]byte(data), &v); err != nil {
		return v, fmt.Errorf("cannot decode a %T: %v", v, err)
	}
	return v, nil
}

// present makes an empty slice of none, which would be NULL.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// optional returns NULL for an empty text.
func optional[S ~string](s S) any {
	if s == "" {
		return nil
	}
	return string(s)
}
