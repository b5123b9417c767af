package catalog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/shape"
)

// Largest sizes of the catalog's files, in bytes. An artifact is at most
// hotstick.MaxArtifactBytes long.
const (
	MaxRootBytes      = 1 << 20
	MaxTimestampBytes = 16 << 10
	MaxSnapshotBytes  = 64 << 10
	MaxTargetsBytes   = 16 << 20
	// MaxDelegatedBytes bounds the targets metadata of one delegate.
	MaxDelegatedBytes = 2 << 20
)

const (
	// maxRootsPerRefresh bounds how many new roots one refresh follows.
	maxRootsPerRefresh = 64
	// maxVersion bounds versions, so that counting on never overflows.
	maxVersion = 1 << 40
)

// Roles, as TUF names them.
const (
	roleRoot      = "root"
	roleTargets   = "targets"
	roleSnapshot  = "snapshot"
	roleTimestamp = "timestamp"
)

const (
	timestampFile = "timestamp.json"
	targetsDir    = "targets"
)

// ErrExpired tells that metadata has expired.
var ErrExpired = errors.New("the catalog's signatures have expired")

// ErrRefused tells that metadata or an artifact is not properly signed, is older
// than what is known, has the wrong length or digest, or is malformed.
var ErrRefused = errors.New("the catalog was refused")

// errOlder tells that metadata is properly signed, and older than what is known.
var errOlder = errors.New("it is older than what is known")

// refused makes an error that wraps ErrRefused.
func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// metadataFile returns the name of a metadata file, such as 3.root.json.
func metadataFile(role string, version int64) string {
	return strconv.FormatInt(version, 10) + "." + role + ".json"
}

// targetName returns the name of an artifact in TUF's list.
func targetName(digest hotstick.Digest) string { return "sha256-" + digest.Hex() + ".ko" }

// ArtifactFile returns the name under which an artifact is fetched, such as
// targets/HEX.sha256-HEX.ko. The digest must be valid.
func ArtifactFile(digest hotstick.Digest) string {
	return targetsDir + "/" + digest.Hex() + "." + targetName(digest)
}

var (
	versionPattern = shape.Of("1-9", "0-9", 1, 13)
	recallsPattern = shape.All("1-9", 1, 1).After("recalls/")
	hexPattern     = shape.All("0-9a-f", 64, 64)
)

// artifactOf returns the digest in the name of an artifact's file.
func artifactOf(name string) (hotstick.Digest, bool) {
	file, ok := strings.CutPrefix(name, targetsDir+"/")
	hex, _, ok2 := strings.Cut(file, ".")
	digest := hotstick.Digest("sha256:" + hex)
	return digest, ok && ok2 && hexPattern.MatchString(hex) && name == ArtifactFile(digest)
}

// servable reports whether name can be the name of a file of a catalog. No other
// name ever reaches a file system.
func servable(name string) bool {
	if _, ok := artifactOf(name); ok {
		return true
	}
	file, ok := strings.CutSuffix(name, ".json")
	if version, role, numbered := strings.Cut(file, "."); numbered {
		return ok && versionPattern.MatchString(version) && delegationPattern.MatchString(role)
	}
	return ok && (file == "timestamp" || recallsPattern.MatchString(file))
}

// versionOf returns the version in the name of a metadata file of this role.
func versionOf(name, role string) (int64, bool) {
	n, ok := strings.CutSuffix(name, "."+role+".json")
	v, err := strconv.ParseInt(n, 10, 64)
	return v, ok && err == nil && v >= 1 && v < maxVersion && name == metadataFile(role, v)
}
