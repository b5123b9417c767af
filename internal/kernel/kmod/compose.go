package kmod

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
)

// Compose writes the smallest x86-64 module file that says what info says. It
// has no code, so no kernel loads it. Simulated kernels are fed with it, and
// two calls with equal input give equal bytes.
func Compose(info Info) []byte {
	var modinfo bytes.Buffer
	for _, kv := range [][2]string{
		{"license", info.License}, {"srcversion", info.SrcVersion},
		{"name", info.Name}, {"vermagic", info.Vermagic},
	} {
		if kv[1] != "" {
			modinfo.WriteString(kv[0] + "=" + kv[1] + "\x00")
		}
	}
	if info.Livepatch {
		modinfo.WriteString("livepatch=Y\x00")
	}
	self := make([]byte, nameOffset+nameBytes)
	copy(self[nameOffset:len(self)-1], info.Name)
	names := []byte("\x00.modinfo\x00" + selfSection + "\x00.shstrtab\x00")
	symbols, symbolNames := composeSymbols(info.Marks)
	if symbols != nil {
		names = append(names, ".symtab\x00.strtab\x00"...)
	}

	note := composeNote(info.BuildID)
	if note != nil {
		names = append(names, noteSection+"\x00"...)
	}

	var out bytes.Buffer
	out.Write(make([]byte, headerBytes))
	table := make([]byte, sectionBytes) // section 0 is empty
	add := func(name string, kind uint32, data []byte) {
		h := make([]byte, sectionBytes)
		le := binary.LittleEndian
		le.PutUint32(h, uint32(bytes.Index(names, []byte(name+"\x00"))))
		le.PutUint32(h[4:], kind)
		le.PutUint64(h[24:], uint64(out.Len()))
		le.PutUint64(h[32:], uint64(len(data)))
		table = append(table, h...)
		out.Write(data)
	}
	add(modinfoSection, 1, modinfo.Bytes())
	add(selfSection, 1, self)
	add(".shstrtab", sectionStr, names)
	namesAt := len(table)/sectionBytes - 1
	if symbols != nil {
		add(".symtab", sectionSym, symbols)
		binary.LittleEndian.PutUint32(table[len(table)-sectionBytes+40:], uint32(len(table)/sectionBytes)) // the next one has their names
		add(".strtab", sectionStr, symbolNames)
	}
	if note != nil {
		add(noteSection, 7, note)
	}
	tableAt := out.Len()
	out.Write(table)

	file := out.Bytes()
	writeHeader(file, uint64(tableAt), len(table)/sectionBytes, namesAt)
	if info.Signed {
		file = appendSignature(file)
	}
	return file
}

// composeNote writes a build ID, given in hexadecimal, as the linker does; nil if there
// is none.
func composeNote(buildID string) []byte {
	id, err := hex.DecodeString(buildID)
	if err != nil || len(id) == 0 {
		return nil
	}
	note := binary.LittleEndian.AppendUint32(nil, 4)
	note = binary.LittleEndian.AppendUint32(note, uint32(len(id)))
	note = binary.LittleEndian.AppendUint32(note, 3) // NT_GNU_BUILD_ID
	return append(append(note, "GNU\x00"...), id...)
}

func writeHeader(file []byte, tableAt uint64, sections, namesAt int) {
	le := binary.LittleEndian
	copy(file, "\x7fELF\x02\x01\x01")
	le.PutUint16(file[16:], typeRel)
	le.PutUint16(file[18:], 62)
	le.PutUint32(file[20:], 1)
	le.PutUint64(file[40:], tableAt)
	le.PutUint16(file[52:], headerBytes)
	le.PutUint16(file[58:], sectionBytes)
	le.PutUint16(file[60:], uint16(sections))
	le.PutUint16(file[62:], uint16(namesAt))
}

// appendSignature appends sixteen bytes in the place of a signature; they sign
// nothing.
func appendSignature(file []byte) []byte {
	const n = 16
	tail := make([]byte, n+signatureTail)
	tail[n+2] = 2 // PKEY_ID_PKCS7
	binary.BigEndian.PutUint32(tail[n+8:], n)
	return append(append(file, tail...), signatureMarker...)
}

// composeSymbols writes the symbols that show the marks; nil if there are none.
func composeSymbols(m Marks) (symbols, names []byte) {
	if m == (Marks{}) {
		return nil, nil
	}
	names = []byte{0}
	add := func(name string, kind byte, defined uint16) {
		s := make([]byte, symbolBytes)
		binary.LittleEndian.PutUint32(s, uint32(len(names)))
		s[4] = kind
		binary.LittleEndian.PutUint16(s[6:], defined)
		symbols, names = append(symbols, s...), append(append(names, name...), 0)
	}
	add("init_module", 2, 1)
	if !m.NoExit {
		add("cleanup_module", 2, 1)
	}
	if m.Callbacks {
		add("pre_patch_callback", 2, 1)
	}
	if m.States {
		add("klp_get_state", 0, 0)
	}
	if m.Shadow {
		add("klp_shadow_alloc", 0, 0)
	}
	return symbols, names
}
