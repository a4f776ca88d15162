package browser

import (
	"context"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// paper is the width of what is printed on a sheet of A4, within our margins, and height what
// goes onto one, in CSS pixels.
const (
	paperWidth  = 702
	paperHeight = 1009
)

// Print lays the page that is open out for paper, on a system that is dark, for look to look
// at; then it writes the sheets as <name>.pdf to where Screenshots writes. It fails if
// anything does not fit on the width of a sheet.
func (b *Browser) Print(name string, look func()) {
	b.t.Helper()
	b.Do(chromedp.EmulateViewport(paperWidth, paperHeight))
	b.call("emulate paper", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media:    "print",
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		return err
	})
	if wide := Eval[int](b, "document.documentElement.scrollWidth"); wide > paperWidth {
		b.t.Errorf("%s is %d pixels wide on paper of %d", name, wide, paperWidth)
	}
	look()
	sheets := Get(b, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPreferCSSPageSize()))
	if err := os.WriteFile(filepath.Join(b.folder(), name+".pdf"), sheets, 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.Scheme("light")
	b.Do(chromedp.EmulateViewport(1280, 800))
}
