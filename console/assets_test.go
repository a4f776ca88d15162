package console

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// TestVendored compares what others wrote with what they published.
func TestVendored(t *testing.T) {
	for name, want := range map[string]string{
		"htmx.min.js":   "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
		"hx-csp.min.js": "a7e1e6711ae6c3e50ad300fba7936cbe8d07599cdae313414a179ddd6b26e143",
	} {
		content, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s has the digest %x", name, sum)
		}
	}
	if _, err := assetFiles.ReadFile("assets/htmx.LICENSE"); err != nil {
		t.Error(err)
	}
}

// TestSizes keeps pages light.
func TestSizes(t *testing.T) {
	a, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	script := len(a.files["htmx.min.js"].content) + len(a.files["hx-csp.min.js"].content) + len(a.files["lanyard.js"].content)
	if script > 60<<10 {
		t.Errorf("the scripts of a page have %d bytes", script)
	}
	if own := len(a.files["lanyard.js"].content); own == 0 || own > 12<<10 {
		t.Errorf("our own script has %d bytes", own)
	}
	if css := len(a.files["lanyard.css"].content); css == 0 || css > 40<<10 {
		t.Errorf("the style sheet has %d bytes", css)
	}
}
