// Pack writes awsmanaged/data.zip from the files in awsmanaged/data, without the white space
// that makes them readable: the same bytes from the same files. It runs in the module's root: `make data`.
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

func pack(files fs.FS) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestCompression) })
	err := fs.WalkDir(files, "data", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		entry, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate}) // without a time
		if err != nil {
			return err
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		_, err = entry.Write(compact.Bytes())
		return err
	})
	if err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}
