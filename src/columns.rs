//! The columns of the table: every field of a state can be one. Which are shown, in what order and how wide.
//!
//! One table says all that differs between columns; the grid, its heads, the dialog that chooses columns and the
//! preferences read it. Pure: it knows neither the page nor where a layout is remembered.

use rollcall_model::query::Field;

/// How a column is made when nobody has changed it.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub field: Field,
    /// The width, or with a share the least width, in pixels.
    pub width_px: u16,
    /// The share of the room that is left over, in tenths; 0 for a fixed width.
    pub share: u16,
    /// How wide the table must be to show the column unasked; `None` if it never is.
    pub from_px: Option<u16>,
}

const fn column(field: Field, width_px: u16, share: u16, from_px: Option<u16>) -> Column {
    Column { field, width_px, share, from_px }
}

/// All columns, in the order in which they are offered; those that are shown unasked first.
pub const COLUMNS: [Column; 21] = [
    column(Field::ConnectionStatus, 132, 0, Some(0)),
    column(Field::Id, 148, 17, Some(0)),
    column(Field::DeviceType, 72, 6, Some(1_060)),
    column(Field::LastConnectTime, 146, 0, Some(1_360)),
    column(Field::LastDisconnectTime, 146, 0, Some(0)),
    column(Field::LastActivityTime, 146, 0, Some(1_000)),
    column(Field::LastActivityEvent, 128, 0, Some(1_360)),
    column(Field::DisconnectInitiator, 84, 0, Some(940)),
    column(Field::MqttReasonCode, 160, 12, Some(0)),
    column(Field::LastPublishTime, 146, 0, Some(1_960)),
    column(Field::ClientType, 106, 0, Some(2_400)),
    column(Field::DeviceId, 120, 8, None),
    column(Field::ClientAddr, 130, 0, Some(1_680)),
    column(Field::MqttConnectProtocol, 84, 0, Some(1_800)),
    column(Field::Secure, 56, 0, None),
    column(Field::RecentConnects, 124, 0, Some(2_120)),
    column(Field::LastRefusedTime, 146, 0, None),
    column(Field::CloseCode, 84, 0, Some(2_240)),
    column(Field::Reason, 180, 12, None),
    column(Field::Certainty, 270, 4, None),
    column(Field::StaleSince, 146, 0, None),
];

/// What the two-line card of a phone is made of, whatever is chosen: the style sheet says where each part stands.
const CARD: [Field; 6] = [
    Field::ConnectionStatus,
    Field::Id,
    Field::DeviceType,
    Field::LastDisconnectTime,
    Field::LastActivityTime,
    Field::MqttReasonCode,
];

/// The cell that selects a row, and what lies between two columns and at the edges; as in the style sheet.
const CHECK_PX: u32 = 20;
const GAP_PX: u32 = 12;
const EDGES_PX: u32 = 32;

/// The narrowest and the widest that a column can be made, in pixels.
const MIN_PX: u16 = 48;
const MAX_PX: u16 = 900;

/// What a reader made of the columns. The default is the automatic choice: as many as fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The columns that were chosen, in order; never without the id.
    chosen: Option<Vec<Field>>,
    /// The widths that were changed, in pixels.
    widths: Vec<(Field, u16)>,
}

impl Layout {
    /// Reads what [`Self::to_text`] writes. What is not understood is left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (fields, widths) = text.split_once('|').unwrap_or((text, ""));
        let mut layout = Self::default();
        if !fields.is_empty() {
            layout.choose(fields.split(',').filter_map(Field::from_name).collect());
        }
        for (name, width) in widths.split(',').filter_map(|pair| pair.split_once('=')) {
            if let (Some(field), Ok(px)) = (Field::from_name(name), width.parse::<u16>()) {
                layout.set_width(field, f64::from(px));
            }
        }
        layout
    }

    /// One line for the browser's storage: `id,reason|id=240`; empty for the default.
    #[must_use]
    pub fn to_text(&self) -> String {
        let names: Vec<&str> = self.chosen.iter().flatten().map(|field| field.name()).collect();
        let widths: Vec<String> =
            self.widths.iter().map(|(field, px)| format!("{}={px}", field.name())).collect();
        if widths.is_empty() { names.join(",") } else { format!("{}|{}", names.join(","), widths.join(",")) }
    }

    #[must_use]
    pub fn is_automatic(&self) -> bool {
        self.chosen.is_none()
    }

    /// The columns of a table of that width, in order.
    #[must_use]
    pub fn shown(&self, table_px: f64, is_card: bool) -> Vec<Field> {
        match &self.chosen {
            _ if is_card => CARD.to_vec(),
            Some(chosen) => chosen.clone(),
            None => COLUMNS
                .iter()
                .filter(|column| column.from_px.is_some_and(|from| f64::from(from) <= table_px))
                .map(|column| column.field)
                .collect(),
        }
    }

    /// Shows exactly these columns. The id is added where it is missing: a row without one says nothing.
    pub fn choose(&mut self, fields: Vec<Field>) {
        let mut chosen: Vec<Field> = Vec::with_capacity(fields.len());
        for field in fields {
            if !chosen.contains(&field) {
                chosen.push(field);
            }
        }
        if !chosen.contains(&Field::Id) {
            chosen.insert(0, Field::Id);
        }
        self.chosen = Some(chosen);
    }

    /// Gives a column a width in pixels, within what can be read and what fits on a screen.
    pub fn set_width(&mut self, field: Field, px: f64) {
        // Not `clamp`, whose panic brings the code that writes fractions.
        let px = px.max(f64::from(MIN_PX)).min(f64::from(MAX_PX)) as u16;
        self.widths.retain(|(other, _)| *other != field);
        self.widths.push((field, px));
    }

    /// Gives a column its own width back.
    pub fn reset_width(&mut self, field: Field) {
        self.widths.retain(|(other, _)| *other != field);
    }

    /// The tracks of these columns for `grid-template-columns`, and the least width of a row in pixels.
    #[must_use]
    pub fn tracks(&self, fields: &[Field]) -> (String, u32) {
        let mut tracks = format!("{CHECK_PX}px");
        let mut least = CHECK_PX + EDGES_PX;
        for column in fields.iter().filter_map(|field| COLUMNS.iter().find(|c| c.field == *field)) {
            let own = self.widths.iter().find(|(field, _)| *field == column.field).map(|(_, px)| *px);
            let px = own.unwrap_or(column.width_px);
            least += u32::from(px) + GAP_PX;
            let track = match own {
                None if column.share > 0 => {
                    format!(" minmax({px}px, {}.{}fr)", column.share / 10, column.share % 10)
                }
                _ => format!(" {px}px"),
            };
            tracks.push_str(&track);
        }
        (tracks, least)
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_field_is_a_column_once() {
        let mut fields = COLUMNS.map(|column| column.field);
        fields.sort();
        assert_eq!(fields, Field::ALL);
    }

    #[test]
    fn a_narrow_table_shows_fewer_columns_unasked_and_all_that_were_chosen() {
        let automatic = Layout::default();
        assert_eq!(automatic.shown(1_440.0, false).len(), 9);
        assert_eq!(automatic.shown(1_000.0, false).len(), 6);
        assert_eq!(automatic.shown(800.0, false).len(), 4);
        let chosen = Layout::parse("id,reason,closeCode");
        assert_eq!(chosen.shown(300.0, false), [Field::Id, Field::Reason, Field::CloseCode]);
        assert_eq!(chosen.shown(390.0, true), CARD);
    }

    #[test]
    fn a_layout_that_somebody_edited_is_made_sense_of() {
        let layout = Layout::parse("reason,nonsense,reason,|id=9999999,id=3,x=4,reason");
        assert_eq!(layout.to_text(), "id,reason|id=48");
        assert_eq!(Layout::parse(""), Layout::default());
        assert_eq!(Layout::parse("|").to_text(), "");
    }

    #[test]
    fn what_was_chosen_unasked_fits_without_scrolling() {
        let layout = Layout::default();
        for from in COLUMNS.iter().filter_map(|column| column.from_px).filter(|from| *from > 0) {
            let (_, least) = layout.tracks(&layout.shown(f64::from(from), false));
            assert!(least <= u32::from(from), "{least} px at {from}");
        }
        assert!(layout.tracks(&layout.shown(701.0, false)).1 <= 701);
    }

    proptest! {
        #[test]
        fn a_layout_survives_being_remembered(
            fields in vec(proptest::sample::select(Field::ALL.to_vec()), 0..25),
            widths in vec((proptest::sample::select(Field::ALL.to_vec()), -10.0..2_000.0_f64), 0..5),
        ) {
            let mut layout = Layout::default();
            layout.choose(fields);
            for (field, px) in widths {
                layout.set_width(field, px);
            }
            prop_assert_eq!(Layout::parse(&layout.to_text()), layout);
        }

        #[test]
        fn any_text_is_some_layout(text in "\\PC{0,60}") {
            let layout = Layout::parse(&text);
            prop_assert_eq!(Layout::parse(&layout.to_text()), layout);
        }
    }
}
