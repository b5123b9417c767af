package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/hotstick/hotstick/api"
)

// maxEventBytes bounds one line of the live stream.
const maxEventBytes = 64 << 10

// Stream calls fn for every change in the fleet until the context ends, the
// connection breaks or fn returns an error. It returns an [*Unreachable] when
// the connection breaks; the caller reads its views again and streams anew,
// for changes in between are not repeated.
func (c *Client) Stream(ctx context.Context, fn func(api.Change) error) error {
	resp, err := c.send(ctx, call{method: http.MethodGet, path: "/api/v1/stream"})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	scan := bufio.NewScanner(resp.Body)
	scan.Buffer(make([]byte, 0, 4096), maxEventBytes)
	kind, data := "", ""
	for scan.Scan() {
		name, value, _ := strings.Cut(scan.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			kind = value
		case "data":
			data += value
		case "":
			if err := dispatch(kind, data, fn); err != nil {
				return err
			}
			kind, data = "", ""
		}
	}
	err = scan.Err()
	if err == nil {
		err = fmt.Errorf("the server closed the live stream")
	}
	return c.unreachable(ctx, err)
}

// dispatch hands one event of the stream to fn. Pings and unknown events are
// signs of life and no more.
func dispatch(kind, data string, fn func(api.Change) error) error {
	if kind != "change" {
		return nil
	}
	var change api.Change
	if err := json.Unmarshal([]byte(data), &change); err != nil {
		return fmt.Errorf("cannot read a change of the live stream: %v", err)
	}
	return fn(change)
}
