package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strconv"
)

//go:embed assets
var assetFiles embed.FS

// assets are the files that pages load. They are the only answers of the console
// that a browser may keep: the address of each has a digest of its content.
type assets struct {
	files map[string]asset
}

type asset struct {
	content []byte
	kind    string // content type
	version string
}

func loadAssets() (*assets, error) {
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, fmt.Errorf("read the assets: %w", err)
	}
	a := &assets{files: map[string]asset{}}
	for _, entry := range entries {
		content, err := assetFiles.ReadFile("assets/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read an asset: %w", err)
		}
		kind, ok := assetTypes[path.Ext(entry.Name())]
		if !ok {
			continue // a licence
		}
		sum := sha256.Sum256(content)
		a.files[entry.Name()] = asset{content, kind, hex.EncodeToString(sum[:6])}
	}
	return a, nil
}

// assetTypes does not ask the machine's own table of types.
var assetTypes = map[string]string{
	".css": mime.FormatMediaType("text/css", map[string]string{"charset": "utf-8"}),
	".js":  mime.FormatMediaType("text/javascript", map[string]string{"charset": "utf-8"}),
	".svg": "image/svg+xml",
}

// path is the address of an asset.
func (a *assets) path(name string) (string, error) {
	file, ok := a.files[name]
	if !ok {
		return "", fmt.Errorf("there is no asset %q", name)
	}
	return "/assets/" + name + "?v=" + file.version, nil
}

// ServeHTTP answers with an asset.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	secureHeaders(h, "", false, false)
	file, ok := a.files[r.PathValue("file")]
	if !ok {
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	h.Set("Content-Type", file.kind)
	h.Set("ETag", strconv.Quote(file.version))
	if r.URL.Query().Get("v") == file.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	if r.Header.Get("If-None-Match") == strconv.Quote(file.version) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(file.content)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(file.content)
	}
}
