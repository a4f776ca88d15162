package server

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheSocketIsTheOwnersFromTheStart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	s := &Server{config: Config{Dev: true, Socket: path}}
	l, err := s.listenLocal()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode()&os.ModeSocket == 0 {
		t.Errorf("socket %v, %v", info.Mode(), err)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 1 {
		t.Errorf("the directory holds %v", left)
	}
	if _, err := s.listenLocal(); err == nil || !strings.Contains(err.Error(), "another server answers") {
		t.Errorf("a second server: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left over: %v", err)
	}
}

func TestASuccessorsSocketIsNotRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := &Server{config: Config{Dev: true, Socket: path}}
	old, err := s.listenLocal()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	successor, err := s.listenLocal()
	if err != nil {
		t.Fatal(err)
	}
	defer successor.Close()
	old.Close()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the successor's socket is gone: %v", err)
	}
}

func TestTheSocketsDirectory(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give directories away")
	}
	for _, c := range []struct {
		name string
		mode os.FileMode
		uid  int
		ok   bool
	}{
		{"ours alone", 0o700, 0, true},
		{"ours, others can write", 0o777, 0, false},
		{"like /tmp", 0o777 | os.ModeSticky, 0, true},
		{"a stranger's, sticky", 0o777 | os.ModeSticky, 12345, false},
		{"a stranger's", 0o700, 12345, false},
	} {
		dir := t.TempDir()
		if err := os.Chmod(dir, c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, c.uid, -1); err != nil {
			t.Fatal(err)
		}
		if err := checkOwned(dir); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestLongSocketPaths(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	s := &Server{config: Config{Dev: true, Socket: filepath.Join(dir, "s")}}
	l, err := s.listenLocal()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := dialSocket(t.Context(), l.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if who := peerOf(c); who.err != nil || int(who.uid) != os.Getuid() {
		t.Errorf("peer %+v", who)
	}
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limitConnections(inner, 1)
	defer l.Close()
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("two connections are open")
	default:
	}
	first.Close()
	first.Close() // gives back one slot, not two
	second := <-accepted
	select {
	case <-accepted:
		t.Fatal("a slot was given back twice")
	default:
	}
	second.Close()
	l.Close()
	if _, open := <-accepted; open {
		t.Error("accepted after Close")
	}
}
