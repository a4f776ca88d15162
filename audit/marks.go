package audit

import (
	"hash/crc32"

	"github.com/lanyard-iam/lanyard/store"
)

// What entries are looked for by. The numbers and the hash are in databases: they do not
// change, and what is added gets a new number, by which older entries are not found.
const (
	markID = iota + 1
	markRequest
	markName
	markSource
	markUsername
	markAccessKey
	markReadOnly
	markResourceType
	markResourceName
	markDenied
	markWrite
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// markOf is the mark of an attribute's value.
func markOf[T string | []byte](attribute uint32, value T) store.Mark {
	return store.Mark(crc32.Update(attribute*0x9E3779B1, castagnoli, []byte(value)))
}

// markOfFlag is the mark of what is so or not.
func markOfFlag(attribute uint32) store.Mark { return store.Mark(attribute * 0x9E3779B1) }

// marks are what the entry can be looked for by. They are made of its bytes, so that they
// are of what matchers see.
func (h *header) marks() []store.Mark {
	marks := make([]store.Mark, 0, 18) // of AssumeRole, which has most
	for i, attribute := range [...]uint32{markID, markRequest, markName, markSource, markUsername, markAccessKey} {
		if len(h.fields[i]) > 0 {
			marks = append(marks, markOf(attribute, h.fields[i]))
		}
	}
	if h.flags&flagReadOnly != 0 {
		marks = append(marks, markOfFlag(markReadOnly))
	} else {
		marks = append(marks, markOfFlag(markWrite))
	}
	if h.flags&flagDenied != 0 {
		marks = append(marks, markOfFlag(markDenied))
	}
	h.each(func(typ, name []byte) bool {
		marks = append(marks, markOf(markResourceType, typ), markOf(markResourceName, name))
		return true
	})
	return marks
}

// marks are what an entry has one of if it matches, or none if that is not known.
func (q *Query) marks() []store.Mark {
	attributes := map[Attribute]uint32{
		EventID: markID, EventName: markName, EventSource: markSource, Username: markUsername, AccessKeyID: markAccessKey,
		ResourceType: markResourceType, ResourceName: markResourceName,
	}
	switch attribute, known := attributes[q.Attribute]; {
	case known && q.Value != "":
		return []store.Mark{markOf(attribute, q.Value)}
	case q.Denied:
		return []store.Mark{markOfFlag(markDenied)}
	case q.Attribute == ReadOnly && q.Value == "true":
		return []store.Mark{markOfFlag(markReadOnly)}
	case q.Attribute == ReadOnly && q.Value == "false":
		return []store.Mark{markOfFlag(markWrite)}
	}
	return nil
}
