package console

import (
	"math"
	"regexp"
	"strconv"
	"testing"
)

// scheme is the value of each token in light or in dark.
type scheme map[string][3]float64

// tokens reads the custom properties of :root, and the colours of accounts.
func tokens(t *testing.T) (light, dark scheme, accounts map[string][3]float64) {
	t.Helper()
	css, err := assetFiles.ReadFile("assets/lanyard.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, accounts = scheme{}, scheme{}, map[string][3]float64{}
	for _, m := range regexp.MustCompile(`--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);`).FindAllStringSubmatch(string(css), -1) {
		light[m[1]], dark[m[1]] = colour(t, m[2]), colour(t, m[3])
	}
	for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(string(css), -1) {
		if m[1] != "colour" {
			light[m[1]], dark[m[1]] = colour(t, m[2]), colour(t, m[2])
		}
	}
	for _, m := range regexp.MustCompile(`\.([a-zA-Z]+) \{ --colour: (#[0-9a-f]{6}); \}`).FindAllStringSubmatch(string(css), -1) {
		accounts[m[1]] = colour(t, m[2])
	}
	return light, dark, accounts
}

func colour(t *testing.T, hex string) (c [3]float64) {
	t.Helper()
	for i := range c {
		v, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c[i] = float64(v)
	}
	return c
}

// contrast is that of WCAG 2.2.
func contrast(a, b [3]float64) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(c [3]float64) float64 {
	var linear [3]float64
	for i, v := range c {
		v /= 255
		if v <= 0.04045 {
			linear[i] = v / 12.92
		} else {
			linear[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*linear[0] + 0.7152*linear[1] + 0.0722*linear[2]
}

// mix is color-mix(in srgb, a share, b).
func mix(a, b [3]float64, share float64) (c [3]float64) {
	for i := range c {
		c[i] = a[i]*share + b[i]*(1-share)
	}
	return c
}

func TestContrast(t *testing.T) {
	light, dark, accounts := tokens(t)
	for name, s := range map[string]scheme{"light": light, "dark": dark} {
		check := func(what string, on, ink [3]float64, least float64) {
			t.Helper()
			if ratio := contrast(on, ink); ratio < least {
				t.Errorf("%s, %s: %.2f is less than %.1f", name, what, ratio, least)
			}
		}
		token := func(name string) [3]float64 {
			c, ok := s[name]
			if !ok {
				t.Fatalf("there is no token --%s", name)
			}
			return c
		}
		for _, ground := range []string{"page", "surface", "sunken", "hover"} {
			for _, ink := range []string{"text", "muted", "accent", "good", "warning", "bad", "info"} {
				check(ink+" on "+ground, token(ground), token(ink), 4.5)
			}
			check("control on "+ground, token(ground), token("control"), 3)
		}
		check("a primary button", token("accent"), token("on-accent"), 4.5)
		check("a primary button that is pointed at", mix(token("accent"), token("text"), .88), token("on-accent"), 4.5)
		check("the current entry", mix(token("accent"), token("surface"), .12), token("accent"), 4.5)
		for _, kind := range []string{"good", "warning", "bad", "info"} {
			ground := mix(token(kind), token("surface"), .07)
			check("an alert: "+kind, ground, token("text"), 4.5)
			check("a link in an alert: "+kind, ground, token("accent"), 4.5)
			check("the icon of an alert: "+kind, ground, token(kind), 3)
			check("a marked line: "+kind, mix(token(kind), token("sunken"), .12), token("text"), 4.5)
		}
		for _, ink := range []string{"on-ink", "ink-muted"} {
			check(ink, token("ink"), token(ink), 4.5)
			check(ink+" pointed at", token("ink-hover"), token(ink), 4.5)
		}
		for colour, value := range accounts {
			check("the account colour "+colour+" beside the bar", token("ink"), value, 3)
		}
	}
	for _, c := range []Colour{Pink, Purple, DarkBlue, LightBlue, Teal, Green, Yellow, Orange, Red} {
		if _, ok := accounts[string(c)]; !ok {
			t.Errorf("the style sheet does not know the colour %s", c)
		}
	}
}

// TestTokens holds the table of the design to the style sheet.
func TestTokens(t *testing.T) {
	light, dark, _ := tokens(t)
	for name, want := range map[string][2]string{
		"page": {"#f6f8fa", "#0d131a"}, "surface": {"#ffffff", "#161d26"}, "text": {"#10171f", "#e6edf3"}, "muted": {"#545f6c", "#9aa7b4"},
		"accent": {"#0b6e66", "#5ad1c4"}, "good": {"#1a7037", "#56c271"}, "warning": {"#8a5a00", "#e0b341"}, "bad": {"#b3231a", "#ff8178"},
		"info": {"#0a5cc2", "#6cb2ff"}, "control": {"#7d8895", "#6b7785"},
	} {
		if light[name] != colour(t, want[0]) || dark[name] != colour(t, want[1]) {
			t.Errorf("--%s is not %v", name, want)
		}
	}
}
