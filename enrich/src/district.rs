//! The district of a point: an R-tree over bounding boxes, then a winding number over the few edges at the point's height.

use std::path::Path;

use geo::indexed::IntervalTreeMultiPolygon;
use geo::orient::Direction;
use geo::{BoundingRect, Contains, Geometry, MultiPolygon, Orient, Point};
use geojson::{FeatureCollection, GeoJson};
use rstar::{AABB, PointDistance, RTree, RTreeObject};

use crate::error::EnrichError;

/// Polygons by name. An empty index places nothing.
#[derive(Default)]
pub struct DistrictIndex {
    tree: RTree<District>,
}

struct District {
    name: String,
    envelope: AABB<[f64; 2]>,
    area: IntervalTreeMultiPolygon<f64>,
}

impl RTreeObject for District {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> Self::Envelope {
        self.envelope
    }
}

impl PointDistance for District {
    fn distance_2(&self, point: &[f64; 2]) -> f64 {
        self.envelope.distance_2(point)
    }

    /// What makes `locate_all_at_point` exact: inside the box, then inside the polygon.
    fn contains_point(&self, point: &[f64; 2]) -> bool {
        self.envelope.contains_point(point) && self.area.contains(&Point::new(point[0], point[1]))
    }
}

use rstar::Envelope as _;

impl DistrictIndex {
    /// Reads a GeoJSON file of (multi)polygons in WGS 84, named by the property `name_property`.
    pub fn from_file(file: &Path, name_property: &str) -> Result<Self, EnrichError> {
        let wrong = |problem: String| EnrichError::Districts { file: file.display().to_string(), problem };
        let text = std::fs::read_to_string(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        Self::from_geojson(&text, name_property).map_err(wrong)
    }

    /// Reads GeoJSON text; the error says what is wrong and what to do.
    pub fn from_geojson(text: &str, name_property: &str) -> Result<Self, String> {
        let geojson: GeoJson = text.parse().map_err(|error| format!("is not GeoJSON: {error}"))?;
        let collection = FeatureCollection::try_from(geojson).map_err(|_| "must hold a FeatureCollection".to_owned())?;
        let mut districts = Vec::with_capacity(collection.features.len());
        for (position, feature) in collection.features.into_iter().enumerate() {
            let name = feature.property(name_property).ok_or_else(|| {
                let known: Vec<_> = feature.properties_iter().map(|(name, _)| name.as_str()).collect();
                format!("feature {position} has no property `{name_property}`: it has {}", known.join(", "))
            })?;
            let name = name.as_str().map_or_else(|| name.to_string(), str::to_owned);
            let geometry = feature.geometry.ok_or_else(|| format!("feature {position} (`{name}`) has no geometry"))?;
            let area: MultiPolygon<f64> = match Geometry::try_from(geometry) {
                Ok(Geometry::Polygon(polygon)) => polygon.into(),
                Ok(Geometry::MultiPolygon(polygons)) => polygons,
                _ => return Err(format!("feature {position} (`{name}`) is not a polygon: districts are areas")),
            };
            let Some(bounds) = area.bounding_rect() else { continue };
            // Winding numbers tell a hole from an island by its direction, which many files get wrong.
            let area = area.orient(Direction::Default);
            districts.push(District {
                name,
                envelope: AABB::from_corners(bounds.min().into(), bounds.max().into()),
                area: IntervalTreeMultiPolygon::new(&area),
            });
        }
        Ok(Self { tree: RTree::bulk_load(districts) })
    }

    /// How many districts there are.
    pub fn len(&self) -> usize {
        self.tree.size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The district that holds the point. Where several do, the first by name, so that the answer never depends on order.
    pub fn locate(&self, lat: f64, lon: f64) -> Option<&str> {
        self.tree.locate_all_at_point(&[lon, lat]).map(|district| district.name.as_str()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"{"type":"FeatureCollection","features":[
        {"type":"Feature","properties":{"name":"West"},"geometry":{"type":"Polygon","coordinates":
            [[[0,0],[1,0],[1,1],[0,1],[0,0]],[[0.4,0.4],[0.6,0.4],[0.6,0.6],[0.4,0.6],[0.4,0.4]]]}},
        {"type":"Feature","properties":{"name":"East"},"geometry":{"type":"MultiPolygon","coordinates":
            [[[[1,0],[2,0],[2,1],[1,1],[1,0]]]]}}]}"#;

    #[test]
    fn a_point_is_in_its_district_and_not_in_a_hole() {
        let index = DistrictIndex::from_geojson(TWO, "name").unwrap();
        assert_eq!(index.locate(0.2, 0.2), Some("West"));
        assert_eq!(index.locate(0.5, 0.5), None);
        assert_eq!(index.locate(0.5, 1.5), Some("East"));
        assert_eq!(index.locate(50.0, 1.5), None);
        assert_eq!(index.locate(f64::NAN, 0.5), None);
    }

    #[test]
    fn a_wrong_file_is_explained() {
        assert!(DistrictIndex::from_geojson("{", "name").err().unwrap().starts_with("is not GeoJSON"));
        let error = DistrictIndex::from_geojson(TWO, "label").err().unwrap();
        assert_eq!(error, "feature 0 has no property `label`: it has name");
    }
}
