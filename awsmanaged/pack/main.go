// Pack writes awsmanaged/data.zip from the files in awsmanaged/data, in groups and without
// the white space that makes them readable: the same bytes from the same files. It runs in
// the module's root: `make data`.
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	log.SetFlags(0)
	text, err := pack(os.DirFS("awsmanaged"))
	if err == nil {
		err = os.WriteFile("awsmanaged/data.zip", text, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// groupSize is how many policies are compressed together: more save little more, and all of
// a group are unpacked for one.
const groupSize = 16

func pack(files fs.FS) ([]byte, error) {
	var places []string
	err := fs.WalkDir(files, "data", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		place, ok := strings.CutSuffix(strings.TrimPrefix(name, "data"), ".json")
		if !ok {
			return fmt.Errorf("%s: not a .json file", name)
		}
		places = append(places, place)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(places)

	var b, list bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestCompression) })
	n := 0
	for group := range slices.Chunk(places, groupSize) {
		list.WriteString(strings.Join(group, "\n") + "\n\n")
		text, err := packGroup(files, group)
		if err != nil {
			return nil, err
		}
		if err := add(w, strconv.Itoa(n), text); err != nil {
			return nil, err
		}
		n++
	}
	if err := add(w, "places", list.Bytes()); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// packGroup is the JSON array of the files of these policies.
func packGroup(files fs.FS, places []string) ([]byte, error) {
	var b bytes.Buffer
	for i, place := range places {
		b.WriteByte("[,"[min(i, 1)])
		text, err := fs.ReadFile(files, "data"+place+".json")
		if err != nil {
			return nil, err
		}
		if err := json.Compact(&b, text); err != nil {
			return nil, fmt.Errorf("%s: %w", place, err)
		}
	}
	b.WriteByte(']')
	return b.Bytes(), nil
}

// add adds a file without a time.
func add(w *zip.Writer, name string, text []byte) error {
	entry, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
	if err != nil {
		return err
	}
	_, err = entry.Write(text)
	return err
}
