// Package catalog is the signed repository of patches and their artifacts, in
// TUF: publishing offline, keeping it on a server, and reading it on a host.
package catalog
